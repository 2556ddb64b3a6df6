package memory

import (
	"errors"
	"unsafe"

	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/probe"
)

// span is a reservation of contiguous addresses, and what of it is in use; or a block
// of a pool.
type span struct {
	sys    space.System
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
func newSpan(sys space.System, ledger *Ledger, purpose Purpose, size uint64, views bool, phase uint64) (*span, error) {
	if err := ledger.admit(purpose, size); err != nil {
		return nil, err
	}
	base, err := sys.Reserve(size, views, phase)
	if err != nil {
		return nil, refused(probe.Reserving, purpose, size, err)
	}
	return &span{sys: sys, ledger: ledger, base: base, size: size, views: views, purpose: purpose}, nil
}

// newViews reserves size bytes of addresses and fills them with views, the first of what
// is at an offset of phase in its file. Where somebody
// else's mapping came between, on systems that can't replace one by the other, it
// tries again elsewhere.
func newViews(sys space.System, ledger *Ledger, purpose Purpose, size, phase uint64, fill func(*span) error) (*span, error) {
	for tries := 8; ; tries-- {
		s, err := newSpan(sys, ledger, purpose, size, true, phase)
		if err != nil {
			return nil, err
		}
		if err = fill(s); err == nil {
			return s, nil
		}
		lost := errors.Is(err, space.ErrLostAddresses)
		if e := s.close(); e != nil || tries == 0 || !lost {
			return nil, errors.Join(err, e)
		}
	}
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
	if s.pool != nil {
		return s.pool.give(s)
	}
	s.strike()
	err := s.sys.Release(s.base, s.size, s.views)
	s.ledger.give(s.purpose, s.granted, s.pieces)
	return err
}
