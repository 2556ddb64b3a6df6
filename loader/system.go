package loader

import (
	"os"
	"unsafe"
)

// system is the door through which all native memory passes. Addresses are of the
// system's, never of Go's heap. Sizes are multiples of the granularity.
//
// Tests replace it to refuse.
type system interface {
	// reserve takes addresses, without memory: neither readable nor charged. Into a
	// reservation for views go pieces of files, into the others private memory.
	reserve(size uint64, views bool) (unsafe.Pointer, error)
	// commit gives a piece of a reservation zeroed private memory.
	commit(p unsafe.Pointer, size uint64) error
	// mapFile puts a piece of a file, read-only, into a piece of a reservation.
	mapFile(p unsafe.Pointer, size uint64, f *os.File, offset int64) error
	// alias puts the same piece of shared memory into a piece of a reservation.
	alias(p unsafe.Pointer, size uint64, m *os.File) error
	// release gives a reservation back, with all that has been put into it.
	release(p unsafe.Pointer, size uint64, views bool) error
}

// at is the address n bytes behind p. p is the system's memory, which the garbage
// collector does not know and never moves: unsafe.Add on it is plain arithmetic.
func at(p unsafe.Pointer, n uint64) unsafe.Pointer { return unsafe.Add(p, n) }

// bytesAt is native memory as a slice, valid as long as the memory.
func bytesAt(p unsafe.Pointer, n uint64) []byte { return unsafe.Slice((*byte)(p), n) }

// span is a reservation of contiguous addresses and what of it is in use. Behind each
// lies a granule without access: neighbours in the address space cannot merge into one
// range, and an overrun ends the process rather than corrupting another block.
type span struct {
	sys    system
	ledger *Ledger
	base   unsafe.Pointer
	size   uint64 // without the guard
	views  bool

	purpose Purpose
	granted uint64
	pieces  int
	largest uint64
}

// newSpan reserves size bytes of addresses.
func newSpan(sys system, ledger *Ledger, purpose Purpose, size uint64, views bool) (*span, error) {
	base, err := sys.reserve(size+granularity(), views)
	if err != nil {
		return nil, err
	}
	return &span{sys: sys, ledger: ledger, base: base, size: size, views: views, purpose: purpose}, nil
}

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
	err := s.sys.release(s.base, s.size+granularity(), s.views)
	s.ledger.give(s.purpose, s.granted, s.pieces)
	return err
}

// roundUp rounds n up to the system's granularity.
func roundUp(n uint64) uint64 { return pad(n, granularity()) }
