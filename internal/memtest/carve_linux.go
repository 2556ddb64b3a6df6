//go:build linux && (amd64 || arm64)

package memtest

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Carve fills the address space of the calling process with reservations, which need neither memory
// nor commit, and leaves holes with one page between them. Afterwards no mapping larger than HoleSize
// can be made. Existing mappings stay, and the process continues to run: there are small holes for
// small mappings, and addresses for the Go heap and for the main thread's stack.
//
// If the system or a limit does not allow it, Carve returns an [*Unsupported]. After any error the
// address space is as before.
func Carve(o CarveOptions) (*Carved, error) {
	page := uint64(os.Getpagesize())
	o, err := o.withDefaults(page)
	if err != nil {
		return nil, err
	}
	if err := carvable(o); err != nil {
		return nil, err
	}
	growGoHeap(o.GoHeap)

	var f filler
	c := &Carved{HoleSize: o.HoleSize, Holes: o.Holes}
	kept, err := f.punch(o, page)
	if err == nil {
		err = f.fill(kept, o.HoleSize, page)
	}
	if err == nil {
		c.LargestHole, err = LargestHole()
	}
	if err == nil && c.LargestHole > c.HoleSize {
		err = fmt.Errorf("memtest carve: a hole of %d bytes is left, more than %d", c.LargestHole, c.HoleSize)
	}
	if err != nil {
		return nil, errors.Join(err, f.unmap())
	}
	c.undo = f.unmap
	return c, nil
}

// LargestHole returns the size in bytes of the largest unused address range between the mappings of
// the calling process.
func LargestHole() (uint64, error) {
	regions, err := Maps(0)
	if err != nil {
		return 0, err
	}
	low, high := bounds(regions)
	var n uint64
	for _, g := range Gaps(regions, low, high) {
		n = max(n, g.Size())
	}
	return n, nil
}

// carvable refuses what would make Carve fail, or the process afterwards.
func carvable(o CarveOptions) error {
	if Race {
		return &Unsupported{Tool: "carve", Missing: "the race detector maps memory at fixed addresses"}
	}
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_AS, &lim); err != nil {
		return err
	}
	if lim.Cur != unix.RLIM_INFINITY {
		return &Unsupported{Tool: "carve", Missing: fmt.Sprintf("the address space must be unlimited, RLIMIT_AS is %d", lim.Cur)}
	}
	regions, err := Maps(0)
	if err != nil {
		return err
	}
	const spare = 4096 // spare mappings for the program itself
	want := uint64(len(regions)*2 + o.Holes*2 + o.SmallHoles*2 + spare)
	if limit := readNumber("/proc/sys/vm/max_map_count", 65530); want > limit {
		return &Unsupported{Tool: "carve", Missing: fmt.Sprintf("%d mappings, vm.max_map_count is %d", want, limit)}
	}
	return nil
}

// filler lists the reserved ranges.
type filler []addressRange

type addressRange struct{ start, size uint64 }

func (f *filler) add(start, size uint64) { *f = append(*f, addressRange{start, size}) }

func (f filler) unmap() error {
	var failed error
	for _, s := range f {
		if err := unmap(s.start, s.size); err != nil {
			failed = fmt.Errorf("memtest carve: unmapping %d bytes at %#x: %w", s.size, s.start, err)
		}
	}
	return failed
}

// punch reserves one range for all holes and unmaps the holes in it, the small ones at the top, since
// the kernel searches from high addresses down. It runs before fill, so that other threads can map
// memory at any time.
func (f *filler) punch(o CarveOptions, page uint64) (kept addressRange, err error) {
	size := page + uint64(o.Holes)*(o.HoleSize+page) + uint64(o.SmallHoles)*(o.SmallSize+page)
	start, err := reserve(0, size, 0)
	if err != nil {
		return addressRange{}, fmt.Errorf("memtest carve: reserving %d bytes: %w", size, err)
	}
	at := start
	for i := range o.Holes + o.SmallHoles {
		hole := o.HoleSize
		if i >= o.Holes {
			hole = o.SmallSize
		}
		f.add(at, page)
		at += page
		if err := unmap(at, hole); err != nil {
			f.add(at, start+size-at) // for Undo
			return addressRange{}, fmt.Errorf("memtest carve: opening a hole of %d bytes: %w", hole, err)
		}
		at += hole
	}
	f.add(at, page)
	return addressRange{start, size}, nil
}

// fill reserves all gaps outside the kept range. Other threads map and unmap memory meanwhile, so it
// repeats until there is no gap.
func (f *filler) fill(kept addressRange, hole, page uint64) error {
	const rounds = 32
	for range rounds {
		regions, err := Maps(0)
		if err != nil {
			return err
		}
		low, high := bounds(regions)
		taken := append(slices.Clip(regions), Region{Start: kept.start, End: kept.start + kept.size})
		// The main thread's stack grows down and needs a guard gap below it.
		for _, r := range regions {
			if r.Path == "[stack]" {
				stack := min(16<<20, hole, r.Start)
				taken = append(taken, Region{Start: r.Start - stack, End: r.Start})
			}
		}
		gaps := Gaps(taken, low, high)
		if len(gaps) == 0 {
			return f.fillEnds(hole, page)
		}
		for _, g := range gaps {
			at, err := reserve(g.Start, g.Size(), unix.MAP_FIXED_NOREPLACE)
			switch {
			case err == unix.EEXIST: // another thread was faster: the next round reads the mappings again
			case err != nil:
				return fmt.Errorf("memtest carve: filling %d bytes at %#x: %w", g.Size(), g.Start, err)
			default:
				f.add(at, g.Size())
				if at != g.Start {
					return &Unsupported{Tool: "carve", Missing: "MAP_FIXED_NOREPLACE (Linux 4.17 or newer)"}
				}
			}
		}
	}
	return errors.New("memtest carve: other threads kept opening gaps in the address space")
}

// fillEnds reserves the addresses above the highest mapping. /proc does not tell where the address
// space ends, so it reserves ever smaller ranges until none larger than a hole is left. It never asks
// for ranges of a hole's size or less, so that the holes stay free.
func (f *filler) fillEnds(hole, page uint64) error {
	least := hole + page
	for size := uint64(1) << 56; ; size = max(size/2, least) {
		for {
			at, err := reserve(0, size, 0)
			if err == unix.ENOMEM {
				break
			}
			if err != nil {
				return fmt.Errorf("memtest carve: filling %d bytes: %w", size, err)
			}
			f.add(at, size)
		}
		if size == least {
			return nil
		}
	}
}

// bounds returns the lowest address that can be mapped and the end of the highest mapping of the
// process. The kernel's vsyscall page above that does not count.
func bounds(regions []Region) (low, high uint64) {
	low = max(readNumber("/proc/sys/vm/mmap_min_addr", 65536), uint64(os.Getpagesize()))
	for _, r := range regions {
		if r.End < 1<<63 {
			high = max(high, r.End)
		}
	}
	return low, high
}

// System calls instead of unix.Mmap: the addresses never become Go pointers, and 100 TiB are too much
// for a []byte.

func reserve(addr, size uint64, flags uintptr) (uint64, error) {
	flags |= unix.MAP_PRIVATE | unix.MAP_ANONYMOUS | unix.MAP_NORESERVE
	p, _, errno := unix.RawSyscall6(unix.SYS_MMAP, uintptr(addr), uintptr(size), unix.PROT_NONE, flags, ^uintptr(0), 0)
	if errno != 0 {
		return 0, errno
	}
	return uint64(p), nil
}

func unmap(addr, size uint64) error {
	if _, _, errno := unix.RawSyscall(unix.SYS_MUNMAP, uintptr(addr), uintptr(size), 0); errno != 0 {
		return errno
	}
	return nil
}

func readNumber(file string, otherwise uint64) uint64 {
	b, err := os.ReadFile(file)
	if err != nil {
		return otherwise
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return otherwise
	}
	return n
}
