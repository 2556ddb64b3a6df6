package memtest

import (
	"cmp"
	"fmt"
	"os"
	"slices"
)

// Region is one mapping of a process: addresses from Start to before End.
type Region struct {
	Start, End uint64
	Perms      string // as in /proc/PID/maps: "r-xp", "---p", …
	Offset     uint64 // in the file, 0 for anonymous memory
	Device     string // "major:minor" in hexadecimal, "00:00" for anonymous memory
	Inode      uint64 // 0 for anonymous memory
	Path       string // file, "[stack]", "[heap]", … or ""
}

// Size is the region's length in bytes.
func (r Region) Size() uint64 { return r.End - r.Start }

// Accessible says whether the region is more than a reservation of addresses.
func (r Region) Accessible() bool { return len(r.Perms) >= 3 && r.Perms[:3] != "---" }

// Anonymous says whether no file lies behind the region.
func (r Region) Anonymous() bool { return r.Inode == 0 }

func (r Region) String() string {
	return fmt.Sprintf("%x-%x %s %s", r.Start, r.End, r.Perms, r.Path)
}

// OfFile selects the regions backed by the file at path: the file that is there when
// OfFile is called, under whatever name the process opened it, or one mapped under
// that very name (its number may differ on layered file systems).
func OfFile(path string) func(Region) bool {
	var inode uint64
	if fi, err := os.Stat(path); err == nil {
		inode = inodeOf(fi)
	}
	return func(r Region) bool {
		return !r.Anonymous() && (r.Path == path || r.Inode == inode && sameFile(r.Path, path))
	}
}

// sameFile guards against two file systems that use one inode number. A path that can
// no longer be looked at (deleted, another root) does not speak against.
func sameFile(a, b string) bool {
	fa, err := os.Stat(a)
	if err != nil {
		return true
	}
	fb, err := os.Stat(b)
	return err != nil || os.SameFile(fa, fb)
}

// LargestRange merges regions that continue each other and returns the largest run
// among those that keep selects (nil: all that are accessible). Anonymous regions
// continue each other when their addresses do, regions of a file when their offsets
// do as well; the merged Region has the Perms and Path of its first part.
//
// The kernel likes to put separate mappings side by side, so for anonymous memory the
// result is an upper bound of what the program asked for in one piece; the exact
// figure is [LargestReservation] of a trace. No region gives the zero Region.
func LargestRange(regions []Region, keep func(Region) bool) Region {
	if keep == nil {
		keep = Region.Accessible
	}
	var best, run Region
	for _, r := range sorted(regions) {
		if !keep(r) {
			continue
		}
		if run.End == r.Start && run.Inode == r.Inode && run.Device == r.Device &&
			(r.Anonymous() || run.Offset+run.Size() == r.Offset) {
			run.End = r.End
		} else {
			run = r
		}
		if run.Size() > best.Size() {
			best = run
		}
	}
	return best
}

// NewSince gives the parts of after whose addresses were in no region of before, to
// leave out what the runtime and the libraries had mapped already.
func NewSince(before, after []Region) []Region {
	before = sorted(before)
	var fresh []Region
	add := func(r Region, start, end uint64) {
		if start < end {
			if !r.Anonymous() {
				r.Offset += start - r.Start
			}
			r.Start, r.End = start, end
			fresh = append(fresh, r)
		}
	}
	for _, r := range sorted(after) {
		at := r.Start
		for _, b := range before {
			if b.End <= at || b.Start >= r.End {
				continue
			}
			add(r, at, b.Start)
			at = b.End
		}
		add(r, at, r.End)
	}
	return fresh
}

// Gaps returns the unused addresses between low and high, as regions without a path.
func Gaps(regions []Region, low, high uint64) []Region {
	var gaps []Region
	at := low
	for _, r := range sorted(regions) {
		if r.Start > at && at < high {
			gaps = append(gaps, Region{Start: at, End: min(r.Start, high)})
		}
		at = max(at, r.End)
	}
	if at < high {
		gaps = append(gaps, Region{Start: at, End: high})
	}
	return gaps
}

func sorted(regions []Region) []Region {
	byStart := func(a, b Region) int { return cmp.Compare(a.Start, b.Start) }
	if slices.IsSortedFunc(regions, byStart) {
		return regions
	}
	return slices.SortedFunc(slices.Values(regions), byStart)
}
