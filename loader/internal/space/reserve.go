package space

import (
	"errors"
	"io"
	"os"
	"unsafe"
)

// System is the interface through which all native memory is taken. Addresses are the system's,
// never in Go's heap; sizes are multiples of the granularity. Methods are safe for concurrent use
// on different reservations. A method that fails changes nothing.
//
// Tests replace it to refuse requests.
type System interface {
	// Reserve reserves addresses without memory, inaccessible and not charged. With views, file
	// ranges can be mapped into the reservation; without, private memory can be committed in
	// it. Guard pages lie on both sides, outside the reservation: an overrun faults, and
	// the system cannot merge neighbouring reservations into one mapping. The address is congruent
	// to phase modulo a large page, so that a file's large pages can be mapped.
	Reserve(size uint64, views bool, phase uint64) (unsafe.Pointer, error)
	// Commit commits zeroed private memory in part of a reservation.
	Commit(p unsafe.Pointer, size uint64) error
	// MapFile maps a file range, read-only, into part of a reservation.
	MapFile(p unsafe.Pointer, size uint64, f *os.File, offset int64) error
	// Share allocates zeroed memory that can be mapped several times. It exists until it is closed
	// and no longer mapped.
	Share(size uint64) (io.Closer, error)
	// Alias maps the beginning of shared memory into part of a reservation.
	Alias(p unsafe.Pointer, size uint64, m io.Closer) error
	// Huge advises the system to use large pages for committed memory that will all be used.
	Huge(p unsafe.Pointer, size uint64)
	// Lock makes committed memory resident until Unlock or Release.
	Lock(p unsafe.Pointer, size uint64) error
	// Unlock reverses Lock of the same memory.
	Unlock(p unsafe.Pointer, size uint64) error
	// Release releases a reservation and everything in it.
	Release(p unsafe.Pointer, size uint64, views bool) error
}

// Current is the system that new reservations use. Tests replace it.
var Current = RealSystem

// ErrLostAddresses is returned if another mapping took addresses of a reservation.
var ErrLostAddresses = errors.New("addresses were taken by another mapping")
