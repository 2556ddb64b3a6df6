package engines

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"

	"github.com/seed7adf6694/infer/internal/words"
)

// Errors of checksums.
var (
	// ErrNoChecksum is wrapped for a URL without a checksum.
	ErrNoChecksum = errors.New("what is downloaded needs its SHA-256, or npm's integrity")

	// ErrBadChecksum is wrapped for a text that is no checksum.
	ErrBadChecksum = errors.New("no checksum")

	// ErrChecksum is wrapped by a [*ChecksumError]: an archive is another than the one that is wanted.
	ErrChecksum = errors.New("the checksum is another")
)

// ChecksumError says which checksum an archive has.
type ChecksumError struct {
	Source    string
	Algorithm string // sha256, sha384 or sha512
	Want, Got string // as they are given: in hexadecimal, or in base64 with the algorithm
}

func (e *ChecksumError) Error() string {
	return fmt.Sprintf("%s: %s: %s of what came, %s is wanted", words.QuotePath(e.Source), ErrChecksum, e.Got, e.Want)
}

// Unwrap returns [ErrChecksum].
func (e *ChecksumError) Unwrap() error { return ErrChecksum }

// checksum is one that a source must have.
type checksum struct {
	algorithm string
	want      [][]byte // one of these
	given     []string
	text      func([]byte) string
	hash      hash.Hash
}

// algorithms are those of integrities, the strongest first.
var algorithms = []struct {
	name string
	make func() hash.Hash
}{{"sha512", sha512.New}, {"sha384", sha512.New384}, {"sha256", sha256.New}}

// checksums reads the checksums of options. A source must have all of them.
func (o Options) checksums() (list []*checksum, err error) {
	if o.SHA256 != "" {
		sum, err := hex.DecodeString(strings.TrimSpace(o.SHA256))
		if err != nil || len(sum) != sha256.Size {
			return nil, fmt.Errorf("%w: %s: want the 64 hexadecimal digits of a SHA-256", ErrBadChecksum, words.Literal(o.SHA256))
		}
		list = append(list, &checksum{"sha256", [][]byte{sum}, []string{hex.EncodeToString(sum)}, hex.EncodeToString, sha256.New()})
	}
	if o.Integrity == "" {
		return list, nil
	}
	for _, a := range algorithms {
		c := &checksum{algorithm: a.name, hash: a.make(), text: func(sum []byte) string { return a.name + "-" + base64.StdEncoding.EncodeToString(sum) }}
		for _, text := range strings.Fields(o.Integrity) {
			sum64, ok := strings.CutPrefix(text, a.name+"-")
			if !ok {
				continue
			}
			sum64, _, _ = strings.Cut(sum64, "?") // options, of which there are none yet
			sum, err := base64.StdEncoding.DecodeString(sum64)
			if err != nil || len(sum) != c.hash.Size() {
				return nil, fmt.Errorf("%w: %s: want %s- and the sum in base64", ErrBadChecksum, words.Literal(text), a.name)
			}
			c.want, c.given = append(c.want, sum), append(c.given, text)
		}
		if c.want != nil {
			return append(list, c), nil
		}
	}
	return nil, fmt.Errorf("%w: %s: want sha512-, sha384- or sha256- and the sum in base64", ErrBadChecksum, words.Literal(o.Integrity))
}

// check compares the checksum of what was written to the hash.
func (c *checksum) check(source string) error {
	got := c.hash.Sum(nil)
	if slices.ContainsFunc(c.want, func(want []byte) bool { return string(want) == string(got) }) {
		return nil
	}
	return &ChecksumError{Source: source, Algorithm: c.algorithm, Want: strings.Join(c.given, " or "), Got: c.text(got)}
}
