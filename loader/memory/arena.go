package memory

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/probe"
)

// ArenaOptions are the options of [NewArena].
type ArenaOptions struct {
	// ChunkSize is the most that is committed at once, in bytes, rounded up to the granularity.
	// 0: [DefaultChunkSize], or the pool's segment size.
	ChunkSize uint64
	// MaxRange is the largest block, in bytes of contiguous addresses; a larger request fails
	// with a [*RangeError]. 0: no bound.
	MaxRange uint64
	// Ledger accounts for the blocks. nil: none.
	Ledger *Ledger
	// Retry is how long a refused commit is retried, because a page file may grow while a program
	// waits. 0: two seconds; negative: no retry.
	Retry time.Duration
	// Pool is where all blocks are allocated. A request that it cannot serve fails at once.
	// nil: the system.
	Pool *Pool
}

// Arena allocates blocks of private memory, zeroed and untouched: pages that are never used do not
// become resident. A block up to the chunk size is committed at once; a larger one is one
// reservation, committed chunk by chunk. A guard page on each side of a block makes
// overruns fault. Blocks of a [Pool] are zeroed but have no guard pages; see there.
//
// It is safe for concurrent use. AllocBlock, TagBlock, FreeBlock and BlockSize are the interface
// that the engine's binding requires.
type Arena struct {
	sys      space.System
	sleep    func(time.Duration)
	chunk    uint64
	maxRange atomic.Uint64 // 0: no bound
	retry    time.Duration
	ledger   *Ledger
	pool     *Pool // nil: the system

	mu     sync.Mutex
	blocks map[unsafe.Pointer]*reservation
	closed bool
}

// NewArena returns an arena. It allocates nothing.
func NewArena(o ArenaOptions) *Arena {
	if o.Pool != nil && o.ChunkSize == 0 {
		o.ChunkSize = o.Pool.segment
	}
	a := &Arena{
		sys: space.Current, sleep: time.Sleep, chunk: ChunkSize(o.ChunkSize), retry: retryTime(o.Retry), ledger: o.Ledger,
		pool: o.Pool, blocks: map[unsafe.Pointer]*reservation{},
	}
	if o.MaxRange > 0 {
		a.AllowRange(o.MaxRange)
	}
	return a
}

// AllowRange raises [ArenaOptions].MaxRange, if that is a bound and is smaller.
func (a *Arena) AllowRange(size uint64) {
	size = space.RoundUp(min(size, space.MostAddresses))
	if a.maxRange.Load() < size {
		a.maxRange.Store(size)
	}
}

// retryTime returns how long to retry commits: d, or the default if it is 0.
func retryTime(d time.Duration) time.Duration {
	if d == 0 {
		return 2 * time.Second
	}
	return d
}

// BlockSize returns the preferred maximum of a block in bytes: the chunk size without guard pages.
// Larger blocks are possible.
func (a *Arena) BlockSize() uintptr { return uintptr(space.Payload(a.chunk)) }

// Bytes returns the size of all blocks.
func (a *Arena) Bytes() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := uint64(0)
	for _, s := range a.blocks {
		n += s.granted
	}
	return n
}

// AllocBlock allocates a zeroed, page-aligned block of size bytes, valid until FreeBlock or Close.
// The error is an [*Error] or a [*RangeError], or wraps [files.ErrClosed] or [ErrPurpose]; nothing
// is allocated then.
func (a *Arena) AllocBlock(p Purpose, size uintptr) (unsafe.Pointer, error) {
	return a.alloc(p, uint64(size), false)
}

// AllocFilled is [Arena.AllocBlock] for a block that will be written completely: it uses large
// pages if the system has them.
func (a *Arena) AllocFilled(p Purpose, size uint64) (unsafe.Pointer, error) {
	return a.alloc(p, size, true)
}

// ChunkSize returns the most that is committed at once, in bytes.
func (a *Arena) ChunkSize() uint64 { return a.chunk }

// Pooled reports whether blocks are allocated in a pool.
func (a *Arena) Pooled() bool { return a.pool != nil }

// alloc is AllocBlock; filled: the whole block will be written.
func (a *Arena) alloc(p Purpose, size uint64, filled bool) (unsafe.Pointer, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	size = max(size, 1)
	if a.isClosed() {
		return nil, errArenaClosed()
	}
	if size > space.MostAddresses && a.pool == nil {
		return nil, refused(probe.Reserving, p, size, errors.New("larger than the address space"))
	}
	size = space.RoundUp(min(size, space.MostAddresses))
	if most := a.maxRange.Load(); most > 0 && size > most {
		return nil, &RangeError{Purpose: p, Requested: size, Limit: most}
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

// block allocates a block in the pool or from the system.
func (a *Arena) block(p Purpose, size uint64, filled bool) (*reservation, error) {
	if a.pool != nil {
		if err := a.ledger.admit(p, size); err != nil {
			return nil, err
		}
		return a.pool.take(a.ledger, p, size, filled)
	}
	s, err := reserveRange(a.sys, a.ledger, p, size, false, 0)
	if err != nil {
		return nil, err
	}
	if err := a.fill(s); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if filled {
		a.sys.Huge(s.base, size)
	} else {
		s.track()
	}
	return s, nil
}

// fill commits a whole reservation. The retry time is for all chunks together.
func (a *Arena) fill(s *reservation) error {
	t := tries{sleep: a.sleep, left: a.retry, stop: func() error {
		if a.isClosed() {
			return errArenaClosed()
		}
		return nil
	}}
	for off := uint64(0); off < s.size; off += a.chunk {
		n := min(a.chunk, s.size-off)
		if err := s.ledger.admit(s.purpose, n); err != nil {
			return err
		}
		if err := t.commit(a.sys, space.At(s.base, off), n); err != nil {
			if errors.Is(err, files.ErrClosed) {
				return err
			}
			return refused(probe.Committing, s.purpose, n, err)
		}
		s.grant(n)
	}
	return nil
}

// tries retries commits for a limited time.
type tries struct {
	sleep func(time.Duration)
	left  time.Duration
	stop  func() error // returns an error to stop; nil: never
}

// commit retries with increasing delays until it succeeds or the time is used up.
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

// TagBlock changes the purpose of a block, once that is known, and moves it in the ledger. Addresses
// of other memory are ignored. After an error, which wraps [ErrPurpose], nothing has changed.
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

// FreeBlock frees a block. Other pointers, including blocks that were already freed, are ignored.
func (a *Arena) FreeBlock(p unsafe.Pointer) {
	a.mu.Lock()
	s := a.blocks[p]
	delete(a.blocks, p)
	a.mu.Unlock()
	if s != nil {
		_ = s.close() // fails only for addresses that are not ours; a pool keeps its error
	}
}

// DiscardBlocks gives the pages of all blocks of a purpose back to the system. The blocks stay committed,
// and are zero. Nobody may use them meanwhile.
func (a *Arena) DiscardBlocks(p Purpose) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for at, s := range a.blocks {
		if s.purpose == p {
			Discard(at, s.size)
		}
	}
}

// Close frees all blocks; later requests fail with [files.ErrClosed]. Closing twice is safe.
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
