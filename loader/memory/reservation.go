package memory

import (
	"errors"
	"unsafe"

	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/probe"
)

// reservation is a reservation of contiguous addresses with what is mapped or committed in it, or a
// block of a pool.
type reservation struct {
	sys    space.System
	ledger *Ledger
	base   unsafe.Pointer
	size   uint64
	views  bool

	purpose Purpose
	granted uint64
	count   int
	largest uint64

	pool   *Pool // pool of the block; nil: a reservation
	extent extent
}

// reserveRange reserves size bytes of addresses.
func reserveRange(sys space.System, ledger *Ledger, purpose Purpose, size uint64, views bool, phase uint64) (*reservation, error) {
	if err := ledger.admit(purpose, size); err != nil {
		return nil, err
	}
	base, err := sys.Reserve(size, views, phase)
	if err != nil {
		return nil, refused(probe.Reserving, purpose, size, err)
	}
	return &reservation{sys: sys, ledger: ledger, base: base, size: size, views: views, purpose: purpose}, nil
}

// newViews reserves size bytes of addresses and maps views there by fill; phase is the file offset
// of the first. On systems that cannot replace a reservation by a view atomically,
// another mapping may take the addresses meanwhile; then it retries elsewhere.
func newViews(sys space.System, ledger *Ledger, purpose Purpose, size, phase uint64, fill func(*reservation) error) (*reservation, error) {
	for tries := 8; ; tries-- {
		s, err := reserveRange(sys, ledger, purpose, size, true, phase)
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

// grant records size bytes that were mapped or committed.
func (s *reservation) grant(size uint64) {
	s.granted += size
	s.count++
	s.largest = max(s.largest, size)
	s.ledger.take(s.purpose, size, s.size)
}

// retag changes the purpose.
func (s *reservation) retag(p Purpose) {
	s.ledger.retag(s.purpose, p, s.granted, s.count, s.largest, s.size)
	s.purpose = p
}

// close releases the addresses, or returns the block to its pool.
func (s *reservation) close() error {
	if s.pool != nil {
		return s.pool.give(s)
	}
	s.untrack()
	err := s.sys.Release(s.base, s.size, s.views)
	s.ledger.give(s.purpose, s.granted, s.count)
	return err
}
