package space

import (
	"errors"
	"io"
	"os"
	"unsafe"
)

// System is the door through which all native memory passes. Addresses are the
// system's, never of Go's heap; sizes are multiples of the granularity. Methods are
// safe for concurrent use on different reservations. Where one fails, what was before
// is as it was.
//
// Tests replace it to refuse.
type System interface {
	// Reserve takes addresses without memory, neither accessible nor charged. Pieces of
	// files go into a reservation for views, private memory into the others. On both
	// sides lie guards, which are not part of it: what runs over a block ends the
	// process rather than corrupting another, and the system can't merge neighbours
	// into one mapping that is larger than either. The address is sought where it agrees
	// with phase modulo a large page, for a file's large pages to be mapped as such.
	Reserve(size uint64, views bool, phase uint64) (unsafe.Pointer, error)
	// Commit gives a piece of a reservation zeroed private memory.
	Commit(p unsafe.Pointer, size uint64) error
	// MapFile puts a piece of a file, read-only, into a piece of a reservation.
	MapFile(p unsafe.Pointer, size uint64, f *os.File, offset int64) error
	// Share makes memory that can be mapped several times, zeroed. Mappings keep it when
	// it is closed.
	Share(size uint64) (io.Closer, error)
	// Alias puts the beginning of shared memory into a piece of a reservation.
	Alias(p unsafe.Pointer, size uint64, m io.Closer) error
	// Huge advises that all of a committed piece will be used, so that large pages
	// waste nothing.
	Huge(p unsafe.Pointer, size uint64)
	// Lock makes a committed piece resident and keeps it so, until unlock or release.
	Lock(p unsafe.Pointer, size uint64) error
	// Unlock undoes lock, of the same piece.
	Unlock(p unsafe.Pointer, size uint64) error
	// Release gives a reservation back, with all that has been put into it.
	Release(p unsafe.Pointer, size uint64, views bool) error
}

// Current is the memory that programs get. Tests put another in its place, of which later
// reservations are.
var Current = RealSystem

// ErrLostAddresses is a reservation that somebody else's mapping came into.
var ErrLostAddresses = errors.New("addresses were taken by another mapping")
