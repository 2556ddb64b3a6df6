package values

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/seed7adf6694/infer/internal/words"
)

// ParseSize reads a size in bytes: 1048576, 64M, 256MiB, 1.5GiB. The units K, M, G, T and KiB to
// TiB are powers of 1024, KB, MB, GB and TB powers of 1000.
func ParseSize(text string) (uint64, error) {
	bad := fmt.Errorf("want bytes, or a size such as 256MiB, 4G or 1.5GB")
	s := strings.TrimSpace(text)
	i := strings.LastIndexAny(s, "0123456789.") + 1
	number, unit := s[:i], strings.ToUpper(strings.TrimSpace(s[i:]))
	if number == "" || strings.Trim(number, "0123456789.") != "" {
		return 0, bad
	}
	factor := 1.0
	if unit != "" && unit != "B" {
		power := strings.IndexByte("KMGT", unit[0]) + 1
		base, ok := map[string]float64{"": 1024, "IB": 1024, "B": 1000}[unit[1:]]
		if power == 0 || !ok {
			return 0, bad
		}
		factor = math.Pow(base, float64(power))
	}
	if n, err := strconv.ParseUint(number, 10, 64); err == nil && factor == 1 {
		return n, nil
	}
	f, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0, bad
	}
	if f *= factor; f >= 1<<63 {
		return 0, fmt.Errorf("out of range (less than 2^63 bytes)")
	}
	return uint64(math.Round(f)), nil
}

// Size is a flag with a size in bytes.
type Size struct{ P *uint64 }

func (v Size) Set(s string) (err error) { *v.P, err = ParseSize(s); return err }
func (v Size) Type() string             { return "SIZE" }
func (v Size) String() string {
	if v.P == nil || *v.P == 0 {
		return ""
	}
	return strings.ReplaceAll(words.Size(*v.P), " ", "")
}
