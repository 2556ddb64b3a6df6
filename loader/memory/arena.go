package memory

import (
	"errors"
	"fmt"
	"sync"
	"time"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/probe"
)

// ArenaOptions are the options of [NewArena].
type ArenaOptions struct {
	// ChunkSize is the most that is committed at once, in bytes, rounded up to the
	// system's granularity. 0: that of [DefaultChunkSize], or the pool's segment size.
	ChunkSize uint64
	// MaxRange is the most contiguous addresses that a block may take, in bytes; a
	// larger block is refused with a [*RangeError]. 0: no bound.
	MaxRange uint64
	// Ledger takes the account; nil: none.
	Ledger *Ledger
	// Retry is for how long a refused commit is tried again, because page files grow
	// while programs wait. 0: two seconds; negative: not at all.
	Retry time.Duration
	// Pool is where all blocks come from, and go back to; what it can't give is refused
	// at once. nil: the system.
	Pool *Pool
}

// Arena gives blocks of private memory, zeroed and untouched: pages that are never
// used never become resident. A block of at most the chunk size is committed at once;
// a larger one is one reservation of addresses, committed chunk by chunk. A page
// without access lies on both sides of every block, so that what runs over it faults.
// Blocks of a [Pool] are zeroed too, but differ in the rest, as described there.
//
// It is safe for concurrent use. Its methods AllocBlock, TagBlock, FreeBlock and
// BlockSize are what the engine's binding asks for.
type Arena struct {
	sys    space.System
	sleep  func(time.Duration)
	chunk  uint64
	most   uint64 // of addresses, 0 for no bound
	retry  time.Duration
	ledger *Ledger
	pool   *Pool // or nil

	mu     sync.Mutex
	blocks map[unsafe.Pointer]*span
	closed bool
}

// NewArena makes an arena. It takes no memory by itself.
func NewArena(o ArenaOptions) *Arena {
	if o.Pool != nil && o.ChunkSize == 0 {
		o.ChunkSize = o.Pool.segment
	}
	a := &Arena{
		sys: space.Current, sleep: time.Sleep, chunk: ChunkSize(o.ChunkSize), retry: retryTime(o.Retry), ledger: o.Ledger,
		pool: o.Pool, blocks: map[unsafe.Pointer]*span{},
	}
	if o.MaxRange > 0 {
		a.most = space.RoundUp(min(o.MaxRange, space.MostAddresses))
	}
	return a
}

// retryTime is for how long a commit is tried again, of what was asked for.
func retryTime(d time.Duration) time.Duration {
	if d == 0 {
		return 2 * time.Second
	}
	return d
}

// BlockSize is what blocks should stay below where there is a choice, in bytes: the
// chunk size, less what the guards take. Larger blocks can be had.
func (a *Arena) BlockSize() uintptr { return uintptr(space.Payload(a.chunk)) }

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

// AllocBlock gives a zeroed block of size bytes, aligned to a page, until FreeBlock or
// Close. The error is a [*Error] or a [*RangeError], or wraps [files.ErrClosed] or
// [ErrPurpose], and nothing has been taken then.
func (a *Arena) AllocBlock(p Purpose, size uintptr) (unsafe.Pointer, error) {
	return a.alloc(p, uint64(size), false)
}

// AllocFilled is [Arena.AllocBlock] of a block all of which will be written: in large pages
// where the system has them.
func (a *Arena) AllocFilled(p Purpose, size uint64) (unsafe.Pointer, error) {
	return a.alloc(p, size, true)
}

// ChunkSize is the most that is committed at once, in bytes.
func (a *Arena) ChunkSize() uint64 { return a.chunk }

// Pooled tells whether blocks come from a pool.
func (a *Arena) Pooled() bool { return a.pool != nil }

// alloc is AllocBlock; filled says that all of the block will be written.
func (a *Arena) alloc(p Purpose, size uint64, filled bool) (unsafe.Pointer, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	size = max(size, 1)
	if a.isClosed() {
		return nil, errArenaClosed()
	}
	if size > space.MostAddresses && a.pool == nil {
		return nil, refused(probe.Reserving, p, size, errors.New("more than there are addresses"))
	}
	size = space.RoundUp(min(size, space.MostAddresses))
	if a.most > 0 && size > a.most {
		return nil, &RangeError{Purpose: p, Requested: size, Limit: a.most}
	}
	s, err := a.block(p, size, filled)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	closed := a.closed
	if !closed {
		a.blocks[s.base] = s
	}
	a.mu.Unlock()
	if closed {
		return nil, errors.Join(errArenaClosed(), s.close())
	}
	return s.base, nil
}

// block takes a block from where they come from.
func (a *Arena) block(p Purpose, size uint64, filled bool) (*span, error) {
	if a.pool != nil {
		if err := a.ledger.admit(p, size); err != nil {
			return nil, err
		}
		return a.pool.take(a.ledger, p, size, filled)
	}
	s, err := newSpan(a.sys, a.ledger, p, size, false, 0)
	if err != nil {
		return nil, err
	}
	if err := a.fill(s); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if filled {
		a.sys.Huge(s.base, size)
	} else {
		s.enlist()
	}
	return s, nil
}

// fill commits all of a span. The time to retry is for all of it.
func (a *Arena) fill(s *span) error {
	t := tries{sleep: a.sleep, left: a.retry, stop: func() error {
		if a.isClosed() {
			return errArenaClosed()
		}
		return nil
	}}
	for off := uint64(0); off < s.size; off += a.chunk {
		piece := min(a.chunk, s.size-off)
		if err := s.ledger.admit(s.purpose, piece); err != nil {
			return err
		}
		if err := t.commit(a.sys, space.At(s.base, off), piece); err != nil {
			if errors.Is(err, files.ErrClosed) {
				return err
			}
			return refused(probe.Committing, s.purpose, piece, err)
		}
		s.grant(piece)
	}
	return nil
}

// tries is for how long commits are tried again.
type tries struct {
	sleep func(time.Duration)
	left  time.Duration
	stop  func() error // an error ends it; nil: none does
}

// commit tries until it succeeds or no time is left, waiting ever longer.
func (t *tries) commit(sys space.System, p unsafe.Pointer, size uint64) error {
	const first, longest = 5 * time.Millisecond, 200 * time.Millisecond
	for wait := first; ; wait = min(2*wait, longest) {
		err := sys.Commit(p, size)
		if err == nil || t.left <= 0 {
			return err
		}
		wait = min(wait, t.left)
		t.left -= wait
		t.sleep(wait)
		if t.stop == nil {
			continue
		}
		if err := t.stop(); err != nil {
			return err
		}
	}
}

func (a *Arena) isClosed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.closed
}

func errArenaClosed() error { return fmt.Errorf("arena: %w", files.ErrClosed) }

// TagBlock says what a block is for, once that is known: the ledger moves it. Blocks
// of others are ignored. An error, which wraps [ErrPurpose], leaves it as it was.
func (a *Arena) TagBlock(block unsafe.Pointer, p Purpose) error {
	if err := p.check(); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.blocks[block]; s != nil {
		s.retag(p)
	}
	return nil
}

// FreeBlock takes a block back. Pointers to anything else, blocks that were taken back
// already included, are ignored.
func (a *Arena) FreeBlock(p unsafe.Pointer) {
	a.mu.Lock()
	s := a.blocks[p]
	delete(a.blocks, p)
	a.mu.Unlock()
	if s != nil {
		_ = s.close() // it can only fail for addresses that are not ours; a pool keeps its error
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
