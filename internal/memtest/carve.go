package memtest

import (
	"fmt"
	"runtime"
)

// CarveOptions describe the address space that [Carve] leaves.
type CarveOptions struct {
	HoleSize uint64 // size of each hole; default 160 MiB; rounded up to pages
	Holes    int    // number of holes; default 64
	// Small holes keep the process running: thread stacks (8 MiB each) and buffers of the runtime
	// and of malloc are mapped there first, because the kernel prefers high addresses.
	SmallSize  uint64 // default and maximum: 20 MiB or HoleSize, whichever is less
	SmallHoles int    // default 64
	// GoHeap is the address space that the Go heap gets before; default 256 MiB. When it is used
	// up, the heap needs 128 MiB of a hole.
	GoHeap uint64
}

func (o CarveOptions) withDefaults(page uint64) (CarveOptions, error) {
	round := func(v *uint64, standard uint64) {
		if *v == 0 {
			*v = standard
		}
		*v = (*v + page - 1) / page * page
	}
	round(&o.HoleSize, 160<<20)
	round(&o.SmallSize, min(20<<20, o.HoleSize))
	round(&o.GoHeap, 256<<20)
	if o.Holes == 0 {
		o.Holes = 64
	}
	if o.SmallHoles == 0 {
		o.SmallHoles = 64
	}
	switch {
	case o.Holes < 0 || o.SmallHoles < 0 || o.Holes > 1<<16 || o.SmallHoles > 1<<16:
		return o, fmt.Errorf("memtest carve: %d holes and %d small holes: each must be 1 to 65536", o.Holes, o.SmallHoles)
	case o.SmallSize > o.HoleSize:
		return o, fmt.Errorf("memtest carve: small holes of %d bytes are larger than holes of %d", o.SmallSize, o.HoleSize)
	case o.HoleSize > maxCarved/uint64(o.Holes+o.SmallHoles):
		return o, fmt.Errorf("memtest carve: %d holes of %d bytes: more than %d in all", o.Holes, o.HoleSize, uint64(maxCarved))
	case o.GoHeap > maxGoHeap:
		return o, fmt.Errorf("memtest carve: a Go heap of %d bytes: more than %d", o.GoHeap, uint64(maxGoHeap))
	}
	return o, nil
}

// growGoHeap makes the runtime map addresses for its heap in advance. The pages are not touched:
// new memory from the system is zero already.
func growGoHeap(n uint64) {
	b := make([]byte, n)
	runtime.KeepAlive(b)
	runtime.GC()
}

const (
	maxCarved = 1 << 45 // 32 TiB, a quarter of the smaller address spaces
	maxGoHeap = 1 << 36
)

// Carved is an address space that [Carve] has fragmented. Its methods are not safe for
// concurrent use.
type Carved struct {
	HoleSize    uint64 // largest size of one mapping
	Holes       int    // number of holes of HoleSize
	LargestHole uint64 // measured afterwards, at most HoleSize

	undo func() error
}

// Undo releases the filled addresses. It is safe to call it twice.
func (c *Carved) Undo() error {
	if c.undo == nil {
		return nil
	}
	defer func() { c.undo = nil }()
	return c.undo()
}
