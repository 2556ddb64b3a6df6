package loader

import (
	"errors"
	"io"
	"os"
	"unsafe"
)

// system is the door through which all native memory passes. Addresses are the
// system's, never of Go's heap; sizes are multiples of the granularity. Methods are
// safe for concurrent use on different reservations. Where one fails, what was before
// is as it was.
//
// Tests replace it to refuse.
type system interface {
	// reserve takes addresses without memory, neither accessible nor charged. Pieces of
	// files go into a reservation for views, private memory into the others. On both
	// sides lie guards, which are not part of it: what runs over a block ends the
	// process rather than corrupting another, and the system can't merge neighbours
	// into one mapping that is larger than either. The address is sought where it agrees
	// with phase modulo a large page, for a file's large pages to be mapped as such.
	reserve(size uint64, views bool, phase uint64) (unsafe.Pointer, error)
	// commit gives a piece of a reservation zeroed private memory.
	commit(p unsafe.Pointer, size uint64) error
	// mapFile puts a piece of a file, read-only, into a piece of a reservation.
	mapFile(p unsafe.Pointer, size uint64, f *os.File, offset int64) error
	// share makes memory that can be mapped several times, zeroed. Mappings keep it when
	// it is closed.
	share(size uint64) (io.Closer, error)
	// alias puts the beginning of shared memory into a piece of a reservation.
	alias(p unsafe.Pointer, size uint64, m io.Closer) error
	// huge advises that all of a committed piece will be used, so that large pages
	// waste nothing.
	huge(p unsafe.Pointer, size uint64)
	// lock makes a committed piece resident and keeps it so, until unlock or release.
	lock(p unsafe.Pointer, size uint64) error
	// unlock undoes lock, of the same piece.
	unlock(p unsafe.Pointer, size uint64) error
	// release gives a reservation back, with all that has been put into it.
	release(p unsafe.Pointer, size uint64, views bool) error
}

// span is a reservation of contiguous addresses, and what of it is in use; or a block
// of a pool.
type span struct {
	sys    system
	ledger *Ledger
	base   unsafe.Pointer
	size   uint64
	views  bool

	purpose Purpose
	granted uint64
	pieces  int
	largest uint64

	pool  *Pool // that it is a block of, or nil
	place extent
}

// newSpan reserves size bytes of addresses.
func newSpan(sys system, ledger *Ledger, purpose Purpose, size uint64, views bool, phase uint64) (*span, error) {
	if err := ledger.admit(purpose, size); err != nil {
		return nil, err
	}
	base, err := sys.reserve(size, views, phase)
	if err != nil {
		return nil, refused(reserving, purpose, size, err)
	}
	return &span{sys: sys, ledger: ledger, base: base, size: size, views: views, purpose: purpose}, nil
}

// newViews reserves size bytes of addresses and fills them with views, the first of what
// is at an offset of phase in its file. Where somebody
// else's mapping came between, on systems that can't replace one by the other, it
// tries again elsewhere.
func newViews(sys system, ledger *Ledger, purpose Purpose, size, phase uint64, fill func(*span) error) (*span, error) {
	for tries := 8; ; tries-- {
		s, err := newSpan(sys, ledger, purpose, size, true, phase)
		if err != nil {
			return nil, err
		}
		if err = fill(s); err == nil {
			return s, nil
		}
		lost := errors.Is(err, errLostAddresses)
		if e := s.close(); e != nil || tries == 0 || !lost {
			return nil, errors.Join(err, e)
		}
	}
}

// errLostAddresses is a reservation that somebody else's mapping came into.
var errLostAddresses = errors.New("addresses were taken by another mapping")

// grant enters a piece that was put into the span.
func (s *span) grant(size uint64) {
	s.granted += size
	s.pieces++
	s.largest = max(s.largest, size)
	s.ledger.take(s.purpose, size, s.size)
}

// retag changes what the span is for.
func (s *span) retag(p Purpose) {
	s.ledger.retag(s.purpose, p, s.granted, s.pieces, s.largest, s.size)
	s.purpose = p
}

// close gives the span back.
func (s *span) close() error {
	if s.pool != nil {
		return s.pool.give(s)
	}
	s.strike()
	err := s.sys.release(s.base, s.size, s.views)
	s.ledger.give(s.purpose, s.granted, s.pieces)
	return err
}

// roundUp rounds n up to the system's granularity.
func roundUp(n uint64) uint64 { return pad(n, granularity()) }

// room is how much of a chunk is for content, so that a reservation with its guards
// takes no more addresses than the chunk size. Where a chunk is but a few pages that
// would cost too much, and the guards come on top.
func room(chunk uint64) uint64 {
	if chunk < 16*granularity() {
		return chunk
	}
	return (chunk - guards()) &^ (granularity() - 1)
}
