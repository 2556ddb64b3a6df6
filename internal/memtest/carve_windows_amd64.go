package memtest

import (
	"errors"
	"fmt"

	"golang.org/x/sys/windows"
)

// carveUnit is the allocation granularity: what addresses are reserved in.
const carveUnit = 64 << 10

// Carve fills the address space of the calling process with reservations that cost neither
// memory nor commit, and leaves holes with a reservation between them. From then on no
// reservation and no view larger than HoleSize can be made, while what is there already
// stays as it is and the process can go on: there are small holes for small things, and
// room for the Go heap.
//
// It returns an [*Unsupported] under a wine that it does not know, and on any error leaves
// the address space as it was.
func Carve(o CarveOptions) (*Carved, error) {
	o, err := o.withDefaults(carveUnit)
	if err != nil {
		return nil, err
	}
	if Race {
		return nil, &Unsupported{Tool: "carve", Missing: "the race detector maps at addresses of its own"}
	}
	spaces := []addresses{virtualAddresses{}}
	if version := wineVersion(); version != "" {
		if !knownWine(version) {
			return nil, &Unsupported{Tool: "carve", Missing: "wine " + version + " keeps a byte for each page that is reserved, and may not let programs call the system below it"}
		}
		// What wine has kept for itself is filled too, which is little.
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

// LargestHole is the largest range of addresses that can be reserved, in bytes; under wine,
// where a reservation takes memory, at most 16 GiB.
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

// addresses are those of a process, at one of the systems that it runs on.
type addresses interface {
	// reserve takes addresses, anywhere for at 0.
	reserve(at, size uint64) (uint64, error)
	// release gives back what was reserved at once.
	release(at, size uint64) error
}

// virtualAddresses are those of Windows.
type virtualAddresses struct{}

func (virtualAddresses) reserve(at, size uint64) (uint64, error) {
	p, err := windows.VirtualAlloc(uintptr(at), uintptr(size), windows.MEM_RESERVE, windows.PAGE_NOACCESS)
	return uint64(p), err
}

func (virtualAddresses) release(at, _ uint64) error {
	return windows.VirtualFree(uintptr(at), 0, windows.MEM_RELEASE)
}

// carving is what has been reserved.
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

// punch reserves what separates the holes, in a range that has room for all of them. They
// are open before anything else is filled, so that other threads find room at every moment.
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

// fill takes ever smaller ranges until nothing is granted that is larger than a hole. What
// fits a hole is never asked for, so the holes stay open.
func (f *carving) fill(a addresses, hole uint64) error {
	least := hole + carveUnit
	for size := uint64(mostAddresses / 2); ; size = max(size/2, least) {
		for f.take(a, 0, size) == nil {
			if len(f.list) == cap(f.list) {
				return errors.New("memtest carve: the address space is in too many pieces")
			}
		}
		if size == least {
			return nil
		}
	}
}
