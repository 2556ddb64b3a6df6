package memtest

import (
	"cmp"
	"fmt"
	"os"
	"slices"
)

// Region is one mapping of a process: the addresses from Start up to End.
type Region struct {
	Start, End uint64
	Perms      string // as in /proc/PID/maps: "r-xp", "---p", …
	Offset     uint64 // in the file, 0 for anonymous memory
	Device     string // "major:minor" in hexadecimal, "00:00" for anonymous memory
	Inode      uint64 // 0 for anonymous memory
	Path       string // path of the file, "[stack]", "[heap]", …, or ""
}

// Size is the region's length in bytes.
func (r Region) Size() uint64 { return r.End - r.Start }

// Accessible reports whether the region is more than reserved.
func (r Region) Accessible() bool { return len(r.Perms) >= 3 && r.Perms[:3] != "---" }

// Anonymous reports whether the region maps no file.
func (r Region) Anonymous() bool { return r.Inode == 0 }

func (r Region) String() string {
	return fmt.Sprintf("%x-%x %s %s", r.Start, r.End, r.Perms, r.Path)
}

// OfFile selects the regions of the file at path. They are identified by the file's inode at the time
// of the call, or by this path, since layered file systems may report other inodes.
func OfFile(path string) func(Region) bool {
	var inode uint64
	if fi, err := os.Stat(path); err == nil {
		inode = inodeOf(fi)
	}
	return func(r Region) bool {
		return !r.Anonymous() && (r.Path == path || r.Inode == inode && sameFile(r.Path, path))
	}
}

// sameFile tells files of different file systems with the same inode number apart. Paths that do not
// exist any more count as the same.
func sameFile(a, b string) bool {
	fa, err := os.Stat(a)
	if err != nil {
		return true
	}
	fb, err := os.Stat(b)
	return err != nil || os.SameFile(fa, fb)
}

// LargestRange merges adjacent regions and returns the largest range among those that keep selects
// (nil: accessible ones). Anonymous regions are adjacent if their addresses are; for regions of a file
// the offsets must continue, too. The result has the Perms and Path of its first region. Without
// regions it is the zero Region.
//
// The kernel often places separate mappings side by side. For anonymous memory the result is thus an
// upper bound of what the program requested at once; [LargestReservation] of a trace is exact.
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

// NewSince returns the parts of after at addresses outside of all regions in before. That leaves out
// what the runtime and libraries had mapped before.
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

// Gaps returns the unused address ranges between low and high.
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
