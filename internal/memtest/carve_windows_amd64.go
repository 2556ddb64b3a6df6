package memtest

import (
	"errors"
	"fmt"

	"golang.org/x/sys/windows"
)

// carveUnit is the allocation granularity of addresses.
const carveUnit = 64 << 10

// Carve fills the address space of the calling process with reservations, which need neither memory
// nor commit, and leaves holes with a reservation between them. Afterwards no reservation and no view
// larger than HoleSize can be made. Existing ones stay, and the process continues to run: there are
// small holes for small allocations, and addresses for the Go heap.
//
// Under an unknown version of wine, Carve returns an [*Unsupported]. After any error the address
// space is as before.
func Carve(o CarveOptions) (*Carved, error) {
	o, err := o.withDefaults(carveUnit)
	if err != nil {
		return nil, err
	}
	if Race {
		return nil, &Unsupported{Tool: "carve", Missing: "the race detector maps memory at fixed addresses"}
	}
	spaces := []addresses{virtualAddresses{}}
	if version := wineVersion(); version != "" {
		if !knownWine(version) {
			return nil, &Unsupported{Tool: "carve", Missing: "wine " + version + " stores a byte per reserved page, and may not allow Linux system calls; wine 8 does"}
		}
		// Windows reservations fill the rest, which is small: addresses that wine has kept for itself.
		spaces = []addresses{hostAddresses{}, virtualAddresses{}}
	}
	growGoHeap(o.GoHeap)
	var f carving
	c := &Carved{HoleSize: o.HoleSize, Holes: o.Holes, undo: f.undo}
	err = f.punch(spaces[0], o)
	for _, a := range spaces {
		if err == nil {
			err = f.fill(a, o.HoleSize)
		}
	}
	if err == nil {
		c.LargestHole, err = LargestHole()
	}
	if err == nil && c.LargestHole > c.HoleSize {
		err = fmt.Errorf("memtest carve: a hole of %d bytes is left, more than %d", c.LargestHole, c.HoleSize)
	}
	if err != nil {
		return nil, errors.Join(err, f.undo())
	}
	return c, nil
}

// LargestHole returns the size in bytes of the largest range that can be reserved. Under wine, where
// reservations need memory, it returns at most 16 GiB.
func LargestHole() (uint64, error) {
	var a virtualAddresses
	granted, refused := uint64(0), uint64(mostAddresses/carveUnit)
	if wineVersion() != "" {
		refused = 16<<30/carveUnit + 1
	}
	for refused-granted > 1 {
		n := granted + (refused-granted)/2
		at, err := a.reserve(0, n*carveUnit)
		if err != nil {
			refused = n
			continue
		}
		granted = n
		if err := a.release(at, n*carveUnit); err != nil {
			return 0, err
		}
	}
	return granted * carveUnit, nil
}

const mostAddresses = 1 << 47

// addresses reserves address ranges, by calls of Windows or of Linux below wine.
type addresses interface {
	// reserve reserves addresses at an address, or anywhere if that is 0.
	reserve(at, size uint64) (uint64, error)
	// release releases a range that one call has reserved.
	release(at, size uint64) error
}

// virtualAddresses reserves by VirtualAlloc.
type virtualAddresses struct{}

func (virtualAddresses) reserve(at, size uint64) (uint64, error) {
	p, err := windows.VirtualAlloc(uintptr(at), uintptr(size), windows.MEM_RESERVE, windows.PAGE_NOACCESS)
	return uint64(p), err
}

func (virtualAddresses) release(at, _ uint64) error {
	return windows.VirtualFree(uintptr(at), 0, windows.MEM_RELEASE)
}

// carving lists the reserved ranges.
type carving struct {
	list []reservation
}

type reservation struct {
	in       addresses
	at, size uint64
}

func (f *carving) take(a addresses, at, size uint64) error {
	p, err := a.reserve(at, size)
	if err == nil {
		f.list = append(f.list, reservation{a, p, size})
	}
	return err
}

func (f *carving) undo() error {
	var errs []error
	for _, r := range f.list {
		errs = append(errs, r.in.release(r.at, r.size))
	}
	f.list = nil
	return errors.Join(errs...)
}

// punch reserves the separators of the holes in a free range of the size of all holes. It runs before
// fill, so that other threads can map memory at any time.
func (f *carving) punch(a addresses, o CarveOptions) error {
	f.list = make([]reservation, 0, o.Holes+o.SmallHoles+4096)
	size := carveUnit + uint64(o.Holes)*(o.HoleSize+carveUnit) + uint64(o.SmallHoles)*(o.SmallSize+carveUnit)
	at, err := a.reserve(0, size)
	if err == nil {
		err = a.release(at, size)
	}
	if err != nil {
		return fmt.Errorf("memtest carve: reserving %d bytes: %w", size, err)
	}
	for i := range o.Holes + o.SmallHoles + 1 {
		if err := f.take(a, at, carveUnit); err != nil {
			return fmt.Errorf("memtest carve: separating holes at %#x: %w", at, err)
		}
		at += carveUnit + o.HoleSize
		if i >= o.Holes {
			at -= o.HoleSize - o.SmallSize
		}
	}
	return nil
}

// fill reserves ever smaller ranges until no range larger than a hole is left. It never asks for
// ranges of a hole's size or less, so that the holes stay free.
func (f *carving) fill(a addresses, hole uint64) error {
	least := hole + carveUnit
	for size := uint64(mostAddresses / 2); ; size = max(size/2, least) {
		for f.take(a, 0, size) == nil {
			if len(f.list) == cap(f.list) {
				return errors.New("memtest carve: the address space has too many free ranges")
			}
		}
		if size == least {
			return nil
		}
	}
}
