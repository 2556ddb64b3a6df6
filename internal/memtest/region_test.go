package memtest_test

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
)

func anon(start, end uint64) memtest.Region {
	return memtest.Region{Start: start, End: end, Perms: "rw-p", Device: "00:00"}
}

func file(start, end, offset, inode uint64) memtest.Region {
	return memtest.Region{Start: start, End: end, Perms: "r--s", Offset: offset, Device: "08:01", Inode: inode, Path: "/m"}
}

func TestLargestRange(t *testing.T) {
	reserved := anon(0x9000, 0x90000)
	reserved.Perms = "---p"
	for _, c := range []struct {
		name       string
		regions    []memtest.Region
		start, end uint64
	}{
		{"no region gives none", nil, 0, 0},
		{"a gap separates", []memtest.Region{anon(0x1000, 0x2000), anon(0x3000, 0x5000)}, 0x3000, 0x5000},
		{"neighbours in memory are one range", []memtest.Region{anon(0x1000, 0x2000), anon(0x2000, 0x5000)}, 0x1000, 0x5000},
		{"the order does not matter", []memtest.Region{anon(0x2000, 0x5000), anon(0x1000, 0x2000)}, 0x1000, 0x5000},
		{"a reservation is not counted", []memtest.Region{anon(0x1000, 0x2000), reserved}, 0x1000, 0x2000},
		{"chunks of a file in order are one range", []memtest.Region{file(0x1000, 0x2000, 0, 5), file(0x2000, 0x3000, 0x1000, 5)}, 0x1000, 0x3000},
		{"chunks of a file side by side by chance are two", []memtest.Region{file(0x1000, 0x2000, 0x1000, 5), file(0x2000, 0x3000, 0, 5)}, 0x1000, 0x2000},
		{"two files are two", []memtest.Region{file(0x1000, 0x2000, 0, 5), file(0x2000, 0x4000, 0x1000, 6)}, 0x2000, 0x4000},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := memtest.LargestRange(c.regions, nil)
			if r.Start != c.start || r.End != c.end {
				t.Errorf("got %v, want %x-%x", r, c.start, c.end)
			}
		})
	}
}

func TestNewSince(t *testing.T) {
	before := []memtest.Region{anon(0x2000, 0x3000), anon(0x5000, 0x6000)}
	after := []memtest.Region{anon(0x1000, 0x4000), file(0x5000, 0x7000, 0x10000, 5), anon(0x8000, 0x9000)}
	want := []memtest.Region{anon(0x1000, 0x2000), anon(0x3000, 0x4000), file(0x6000, 0x7000, 0x11000, 5), anon(0x8000, 0x9000)}
	if got := memtest.NewSince(before, after); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestGaps(t *testing.T) {
	got := memtest.Gaps([]memtest.Region{anon(0x2000, 0x3000), anon(0x2500, 0x2600), anon(0x5000, 0x6000)}, 0x1000, 0x7000)
	want := []memtest.Region{{Start: 0x1000, End: 0x2000}, {Start: 0x3000, End: 0x5000}, {Start: 0x6000, End: 0x7000}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestMapsOfThisProcess(t *testing.T) {
	regions, err := memtest.Maps(0)
	memtest.Need(t, err)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if exe, err = filepath.EvalSymlinks(exe); err != nil {
		t.Fatal(err)
	}
	if r := memtest.LargestRange(regions, memtest.OfFile(exe)); r.Path != exe || r.Size() == 0 {
		t.Errorf("the program itself is not found: %v", r)
	}
	if r := memtest.LargestRange(regions, memtest.OfFile(filepath.Join(t.TempDir(), "none"))); r.Size() != 0 {
		t.Errorf("a file that is not there is mapped: %v", r)
	}
}
