package loader

import (
	"errors"
	"fmt"
	"sync"
	"time"
	"unsafe"
)

// ArenaOptions are the options of [NewArena].
type ArenaOptions struct {
	// ChunkSize is the most that is committed at once, in bytes; 0:
	// [DefaultChunkSize]. It is rounded up to the system's granularity.
	ChunkSize uint64
	// MaxRange is the most contiguous addresses that a block may take, in bytes; a
	// larger block is refused with a [*RangeError]. 0: no bound.
	MaxRange uint64
	// Ledger takes the account; nil: none.
	Ledger *Ledger
	// Retry is for how long a refused commit is tried again: page files grow while
	// programs ask. 0: two seconds; negative: not at all.
	Retry time.Duration
}

// Arena gives blocks of private memory, zeroed and untouched. A block of at most the
// chunk size is committed at once; a larger one is one reservation of addresses,
// committed chunk by chunk. It is safe for concurrent use.
//
// Its methods AllocBlock, TagBlock, FreeBlock and BlockSize are what the engine's
// binding asks for.
type Arena struct {
	sys   system
	o     ArenaOptions
	sleep func(time.Duration)

	mu     sync.Mutex
	blocks map[unsafe.Pointer]*span
	closed bool
}

// NewArena makes an arena. It takes no memory by itself.
func NewArena(o ArenaOptions) *Arena {
	if o.ChunkSize == 0 {
		o.ChunkSize = DefaultChunkSize
	}
	o.ChunkSize = roundUp(o.ChunkSize)
	if o.Retry == 0 {
		o.Retry = 2 * time.Second
	}
	return &Arena{sys: realSystem, o: o, sleep: time.Sleep, blocks: map[unsafe.Pointer]*span{}}
}

// BlockSize is the chunk size: larger blocks are possible, but what can be split
// should be.
func (a *Arena) BlockSize() uintptr { return uintptr(a.o.ChunkSize) }

// Bytes is the memory in blocks now.
func (a *Arena) Bytes() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := uint64(0)
	for _, s := range a.blocks {
		n += s.granted
	}
	return n
}

// AllocBlock gives a zeroed block of size bytes, aligned to a page. The purpose is one
// of the ledger's, by name. The error is a [*MemoryError] or a [*RangeError], and
// nothing has been taken then.
func (a *Arena) AllocBlock(purpose string, size uintptr) (unsafe.Pointer, error) {
	p := parsePurpose(purpose)
	n := uint64(max(size, 1))
	if n > 1<<62 {
		return nil, &MemoryError{Purpose: p, Requested: n}
	}
	n = roundUp(n)
	if limit := a.o.MaxRange; limit > 0 && n > roundUp(limit) {
		return nil, &RangeError{Requested: n, Limit: roundUp(limit)}
	}
	a.mu.Lock()
	closed := a.closed
	a.mu.Unlock()
	if closed {
		return nil, fmt.Errorf("arena: %w", ErrClosed)
	}
	s, err := newSpan(a.sys, a.o.Ledger, p, n, false)
	if err != nil {
		return nil, refused(p, n, err)
	}
	for off := uint64(0); off < n; off += a.o.ChunkSize {
		piece := min(a.o.ChunkSize, n-off)
		if err := a.commit(at(s.base, off), piece); err != nil {
			err = refused(p, piece, err)
			return nil, errors.Join(err, s.close())
		}
		s.grant(piece)
	}
	a.mu.Lock()
	closed = a.closed
	if !closed {
		a.blocks[s.base] = s
	}
	a.mu.Unlock()
	if closed {
		return nil, errors.Join(fmt.Errorf("arena: %w", ErrClosed), s.close())
	}
	return s.base, nil
}

// commit tries for as long as the options say.
func (a *Arena) commit(p unsafe.Pointer, size uint64) error {
	wait := 10 * time.Millisecond
	for left := a.o.Retry; ; left -= wait {
		err := a.sys.commit(p, size)
		if err == nil || left <= 0 {
			return err
		}
		wait = min(2*wait, left)
		a.sleep(wait)
	}
}

// TagBlock says what a block is for, once that is known. Blocks of others are
// ignored.
func (a *Arena) TagBlock(p unsafe.Pointer, purpose string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.blocks[p]; s != nil {
		s.retag(parsePurpose(purpose))
	}
}

// FreeBlock takes a block back. Blocks of others, or taken back already, are ignored.
func (a *Arena) FreeBlock(p unsafe.Pointer) {
	a.mu.Lock()
	s := a.blocks[p]
	delete(a.blocks, p)
	a.mu.Unlock()
	if s != nil {
		s.close()
	}
}

// Close takes all blocks back and gives no more. Closing twice is safe.
func (a *Arena) Close() error {
	a.mu.Lock()
	blocks := a.blocks
	a.blocks, a.closed = nil, true
	a.mu.Unlock()
	var errs []error
	for _, s := range blocks {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}

// refused makes the error of memory that the system did not give, with the limit that
// is likely to be the reason.
func refused(p Purpose, size uint64, err error) error {
	e := &MemoryError{Purpose: p, Requested: size, Err: err}
	if m, merr := Measure(); merr == nil {
		e.Available, e.Limit = m.LargestFreeBlock, m.LimitedBy
		if e.Available >= size {
			// The probe sees no reason: what it cannot see refused.
			e.Limit = ""
		}
		e.Remedies = m.remedies()
	}
	return e
}
