package loader_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
)

// confirmed is what childConfirm prints.
type confirmed struct {
	Before, Probe probe.Probe // before and after confirming
	Anon          uint64      // that the process had more afterwards
	Granted       bool        // a mapping of that size, writable from the start
	Refused       bool        // one of slack bytes more
	Error         string
}

// slack is what Go's runtime may map or unmap between two looks.
const slack = 4 << 20

// childConfirm measures and confirms under the limit that its arguments name, and then
// asks for as much, and for more, on its own.
func childConfirm(args []string) int {
	size, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil {
		panic(err)
	}
	switch args[0] {
	case "address space":
		err = memtest.SetLimits(memtest.Limits{AddressSpace: size, Headroom: true})
	case "data":
		err = memtest.SetLimits(memtest.Limits{Data: size, Headroom: true})
	case "holes":
		_, err = memtest.Carve(memtest.CarveOptions{HoleSize: size})
	case "locked mappings":
		err = unix.Mlockall(unix.MCL_FUTURE)
	}
	if err != nil {
		fmt.Println("unsupported:", err)
		return 0
	}
	var c confirmed
	if c.Before, err = probe.Measure(); err != nil {
		panic(err)
	}
	anon, err := probe.ProcessMemory()
	if err != nil {
		panic(err)
	}
	c.Probe, err = c.Before.Confirm()
	if err != nil {
		c.Error = err.Error()
	}
	after, err := probe.ProcessMemory()
	if err != nil {
		panic(err)
	}
	c.Anon = after.Anon - min(after.Anon, anon.Anon)
	if args[0] != "locked mappings" {
		c.Granted = mappable(c.Probe.LargestFreeBlock - slack)
		c.Refused = !mappable(c.Probe.LargestFreeBlock + slack)
	}
	b, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	os.Stdout.Write(b)
	return 0
}

func mappable(size uint64) bool {
	p, err := unix.MmapPtr(-1, 0, nil, uintptr(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return false
	}
	return unix.MunmapPtr(p, uintptr(size)) == nil
}

// probeFigures are those of a probe's that tests look at.
type probeFigures struct {
	Free      uint64  `json:"largest_free_block_bytes"`
	By        string  `json:"limited_by"`
	Confirmed bool    `json:"confirmed"`
	Computed  uint64  `json:"computed_block_bytes"`
	Address   *uint64 `json:"address_space_left_bytes"`
	Data      *uint64 `json:"data_left_bytes"`
	Hole      uint64  `json:"largest_hole_bytes"`
	Holes     uint64  `json:"holes"`
	FreeAll   uint64  `json:"free_addresses_bytes"`
	HoleSizes []probe.HoleClass
}

type confirmedFigures struct {
	Before, Probe    probeFigures
	Anon             uint64
	Granted, Refused bool
	Error            string
}

func confirmIn(t *testing.T, limit string, size uint64) (c confirmedFigures) {
	t.Helper()
	res, err := memtest.Run(t.Context(), memtest.Child("confirm", limit, fmt.Sprint(size)), memtest.Limits{})
	memtest.Need(t, err)
	if len(res.Stdout) > 11 && string(res.Stdout[:11]) == "unsupported" {
		t.Skip(string(res.Stdout))
	}
	if err := json.Unmarshal(res.Stdout, &c); err != nil || res.Code != 0 {
		t.Fatalf("%v: %v", err, res)
	}
	t.Logf("%+v", c)
	return c
}

// In a real process under a real limit, a block of the confirmed size is granted, also by another
// system call, and a larger one is refused.
func TestConfirmedIsWhatTheSystemGrants(t *testing.T) {
	for _, tt := range []struct {
		limit string
		size  uint64
		by    string
	}{
		{"address space", 300 << 20, "address space limit (RLIMIT_AS)"},
		{"data", 200 << 20, "data limit (RLIMIT_DATA)"},
		{"holes", 160 << 20, "address space (largest hole)"},
	} {
		t.Run(tt.limit, func(t *testing.T) {
			c := confirmIn(t, tt.limit, tt.size)
			p := c.Probe
			if !p.Confirmed || p.By != tt.by || c.Error != "" {
				t.Errorf("confirmed %v, limited by the %s, %s", p.Confirmed, p.By, c.Error)
			}
			if p.Free > tt.size || p.Free < tt.size-32<<20 {
				t.Errorf("%d is confirmed, set was %d", p.Free, tt.size)
			}
			if diff := max(p.Free, p.Computed) - min(p.Free, p.Computed); diff > slack {
				t.Errorf("%d is confirmed, %d was computed", p.Free, p.Computed)
			}
			if !c.Granted || !c.Refused {
				t.Errorf("%d less granted: %v, more refused: %v", slack, c.Granted, c.Refused)
			}
			if c.Anon > 16<<20 {
				t.Errorf("confirming made %d bytes resident", c.Anon)
			}
		})
	}
}

func TestConfirmOfACarvedProcess(t *testing.T) {
	c := confirmIn(t, "holes", 64<<20)
	p := c.Before
	// 64 holes of 64 MiB and 64 of 20 MiB, less what the process has mapped in them.
	if p.Hole > 64<<20 || p.Hole < 60<<20 || p.Holes < 100 || p.FreeAll < 4<<30 || p.FreeAll > 6<<30 {
		t.Errorf("%+v", p)
	}
	if c.Probe.Free > 64<<20 || c.Probe.Free < 60<<20 {
		t.Errorf("%d is confirmed", c.Probe.Free)
	}
}

func TestConfirmFillsNothingWhereMappingsAreLocked(t *testing.T) {
	c := confirmIn(t, "locked mappings", 0)
	if c.Probe.Confirmed || c.Error == "" || c.Anon > 16<<20 || c.Probe.Free != c.Before.Free {
		t.Errorf("%+v", c)
	}
}

func TestConfirmOfThisProcess(t *testing.T) {
	p, err := probe.Measure()
	if err != nil {
		t.Fatal(err)
	}
	c, err := p.Confirm()
	if err != nil {
		t.Fatal(err)
	}
	if !c.Confirmed || c.LargestFreeBlock == 0 || c.LimitedBy == "" || c.Computed != p.LargestFreeBlock || c.RAMTotal != p.RAMTotal || len(memory.RemediesOf(c)) == 0 {
		t.Errorf("%+v", c)
	}
	if c.Holes == 0 || c.FreeAddresses < c.LargestHole || len(c.HoleSizes) > 64 {
		t.Errorf("%+v", c)
	}
}

func BenchmarkConfirm(b *testing.B) {
	p, err := probe.Measure()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := p.Confirm(); err != nil {
			b.Fatal(err)
		}
	}
}
