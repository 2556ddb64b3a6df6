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
	// ChunkSize is the most that is committed at once, in bytes, rounded up to the
	// system's granularity. 0: that of [DefaultChunkSize].
	ChunkSize uint64
	// MaxRange is the most contiguous addresses that a block may take, in bytes; a
	// larger block is refused with a [*RangeError]. 0: no bound.
	MaxRange uint64
	// Ledger takes the account; nil: none.
	Ledger *Ledger
	// Retry is for how long a refused commit is tried again, because page files grow
	// while programs wait. 0: two seconds; negative: not at all.
	Retry time.Duration
}

// Arena gives blocks of private memory, zeroed and untouched: pages that are never
// used never become resident. A block of at most the chunk size is committed at once;
// a larger one is one reservation of addresses, committed chunk by chunk. A page
// without access lies on both sides of every block, so that what runs over it faults.
//
// It is safe for concurrent use. Its methods AllocBlock, TagBlock, FreeBlock and
// BlockSize are what the engine's binding asks for.
type Arena struct {
	sys    system
	sleep  func(time.Duration)
	chunk  uint64
	most   uint64 // of addresses, 0 for no bound
	retry  time.Duration
	ledger *Ledger

	mu     sync.Mutex
	blocks map[unsafe.Pointer]*span
	closed bool
}

// NewArena makes an arena. It takes no memory by itself.
func NewArena(o ArenaOptions) *Arena {
	a := &Arena{
		sys: realSystem, sleep: time.Sleep, chunk: chunkSize(o.ChunkSize), retry: o.Retry, ledger: o.Ledger,
		blocks: map[unsafe.Pointer]*span{},
	}
	if o.MaxRange > 0 {
		a.most = roundUp(min(o.MaxRange, mostAddresses))
	}
	if a.retry == 0 {
		a.retry = 2 * time.Second
	}
	return a
}

// mostAddresses is more than any system gives, and far from where sums wrap around.
const mostAddresses = 1 << 62

// BlockSize is what blocks should stay below where there is a choice, in bytes: the
// chunk size, less what the guards take. Larger blocks can be had.
func (a *Arena) BlockSize() uintptr { return uintptr(room(a.chunk)) }

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
// Close. The purpose is one of the ledger's, by name; unknown ones count as compute.
// The error is a [*MemoryError] or a [*RangeError], or wraps [ErrClosed], and nothing
// has been taken then.
func (a *Arena) AllocBlock(purpose string, size uintptr) (unsafe.Pointer, error) {
	return a.alloc(parsePurpose(purpose), uint64(size), false)
}

// alloc is AllocBlock; filled says that all of the block will be written.
func (a *Arena) alloc(p Purpose, size uint64, filled bool) (unsafe.Pointer, error) {
	size = max(size, 1)
	if a.isClosed() {
		return nil, errArenaClosed()
	}
	if size > mostAddresses {
		return nil, refused(reserving, p, size, errors.New("more than there are addresses"))
	}
	size = roundUp(size)
	if a.most > 0 && size > a.most {
		return nil, &RangeError{Purpose: p, Requested: size, Limit: a.most}
	}
	s, err := newSpan(a.sys, a.ledger, p, size, false)
	if err != nil {
		return nil, err
	}
	if err := a.fill(s); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if filled {
		a.sys.huge(s.base, size)
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

// fill commits all of a span. The time to retry is for all of it.
func (a *Arena) fill(s *span) error {
	left := a.retry
	for off := uint64(0); off < s.size; off += a.chunk {
		piece := min(a.chunk, s.size-off)
		if err := a.commit(at(s.base, off), piece, &left); err != nil {
			if errors.Is(err, ErrClosed) {
				return err
			}
			return refused(committing, s.purpose, piece, err)
		}
		s.grant(piece)
	}
	return nil
}

// commit tries until it succeeds or no time is left, waiting ever longer.
func (a *Arena) commit(p unsafe.Pointer, size uint64, left *time.Duration) error {
	const first, longest = 5 * time.Millisecond, 200 * time.Millisecond
	for wait := first; ; wait = min(2*wait, longest) {
		err := a.sys.commit(p, size)
		if err == nil || *left <= 0 {
			return err
		}
		wait = min(wait, *left)
		*left -= wait
		a.sleep(wait)
		if a.isClosed() {
			return errArenaClosed()
		}
	}
}

func (a *Arena) isClosed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.closed
}

func errArenaClosed() error { return fmt.Errorf("arena: %w", ErrClosed) }

// TagBlock says what a block is for, once that is known: the ledger moves it. Blocks
// of others are ignored.
func (a *Arena) TagBlock(p unsafe.Pointer, purpose string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.blocks[p]; s != nil {
		s.retag(parsePurpose(purpose))
	}
}

// FreeBlock takes a block back. Pointers to anything else, blocks that were taken back
// already included, are ignored.
func (a *Arena) FreeBlock(p unsafe.Pointer) {
	a.mu.Lock()
	s := a.blocks[p]
	delete(a.blocks, p)
	a.mu.Unlock()
	if s != nil {
		_ = s.close() // it can only fail for addresses that are not ours
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
