package memory

import (
	"errors"
	"fmt"
	"sync"
	"time"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/probe"
)

// PoolOptions are the options of [NewPool].
type PoolOptions struct {
	// SegmentSize is the most that is committed at once, in bytes, rounded up to the granularity.
	// 0: [DefaultChunkSize].
	SegmentSize uint64
	// HugePages advises the system to use large pages: faster to fill and use, but touching one
	// byte makes a large page (2 MiB or more) resident. Only Linux supports it.
	HugePages bool
	// Lock makes the pool resident at once and keeps it from being swapped. Many systems limit
	// how much a process may lock.
	Lock bool
	// Ledger accounts for free memory of the pool. nil: none.
	Ledger *Ledger
	// Retry is how long a refused commit is retried, as in [ArenaOptions].
	Retry time.Duration
}

// Pool is private memory that is reserved and committed once, for the blocks of arenas
// ([ArenaOptions].Pool). What it holds cannot be refused later. It is returned to the system as
// a whole.
//
// Its addresses are one range if possible, otherwise several of at least a segment each. A block
// lies within one range and may span segments. Blocks are rounded up to the granularity and
// zeroed: memory that an earlier block used is cleared, other memory is left untouched and need
// not be resident. There are no guard pages between blocks, as each would split the mapping
// of its range: an overrun corrupts the next block, and faults only at the end of a range.
//
// Free memory may be divided into holes. When all blocks are freed there is one hole per range, and
// closing a model restores the holes from before, so that models can be swapped without end.
// [Pool.Stats] reports the holes.
//
// Each byte is in one ledger: free memory in the pool's, as purpose pool; a block in its arena's,
// by its purpose. If both are the same ledger, its total is the pool's size at any time. Count
// is the number of holes and blocks; LargestAllocation is at most a segment; LargestRange is an
// address range for the pool and the total, the block for other purposes.
//
// It is safe for concurrent use.
type Pool struct {
	sys     space.System
	segment uint64
	huge    bool
	lock    bool
	ledger  *Ledger

	mu       sync.Mutex
	ranges   []poolRange
	segments int
	holes    freeList
	size     uint64
	used     uint64
	peak     uint64
	blocks   int
	refused  uint64
	split    uint64 // refused although enough was free in total
	closed   bool
	err      error // of the release
}

// poolRange is a reservation of contiguous addresses.
type poolRange struct {
	base   unsafe.Pointer
	extent extent
	unused unused

	granted, locked uint64 // bytes from the base
}

// at returns the address of an offset.
func (r *poolRange) at(offset uint64) unsafe.Pointer { return space.At(r.base, offset-r.extent.begin) }

// NewPool reserves and commits size bytes, rounded up to the granularity, at least one unit of it.
// If the system refuses, nothing is kept and the error is an [*Error]. The same error is returned
// without an attempt if the process's own limits leave less, or if Lock needs more than
// [probe.Probe.Available], as such an attempt would end the process instead of failing. Without
// Lock, committed memory is guaranteed only as far as the system limits commit, which Linux by
// default does not: compare the size with [probe.Probe.Available] before.
func NewPool(size uint64, o PoolOptions) (*Pool, error) {
	return newPool(space.Current, time.Sleep, size, o)
}

func newPool(sys space.System, sleep func(time.Duration), size uint64, o PoolOptions) (*Pool, error) {
	if size > space.MostAddresses {
		return nil, forPool(refused(probe.Reserving, PurposePool, size, errors.New("larger than the address space")))
	}
	size = space.RoundUp(max(size, 1))
	p := &Pool{sys: sys, segment: min(ChunkSize(o.SegmentSize), size), huge: o.HugePages, lock: o.Lock, ledger: o.Ledger}
	err := allowed(size, o.Lock)
	if err == nil {
		err = p.reserve(size)
	}
	if err == nil {
		err = p.fill(&tries{sleep: sleep, left: retryTime(o.Retry)})
	}
	if err != nil {
		return nil, errors.Join(forPool(err), p.release())
	}
	return p, nil
}

// reserve reserves the addresses; if they are refused, in several ranges, halving the size.
func (p *Pool) reserve(size uint64) error {
	unit := space.Granularity()
	offset := uint64(0)
	for try := size; size > 0; {
		n := min(try, size)
		base, err := p.sys.Reserve(n, false, 0)
		if err == nil {
			e := extent{offset, offset + n}
			p.ranges = append(p.ranges, poolRange{base: base, extent: e, unused: unused{e}})
			offset = e.end + unit // ranges do not touch
			size -= n
			continue
		}
		if n <= p.segment || len(p.ranges) == 0 && !splittable(size) {
			return refused(probe.Reserving, PurposePool, n, err)
		}
		// Whole segments, so that the number of commits is that of one range.
		try = max(n/2/p.segment*p.segment, p.segment)
		if err := CheckMappings(PurposePool, try, 2*((size+try-1)/try)); err != nil {
			return err
		}
	}
	return nil
}

// splittable reports whether it makes sense to try several ranges for a size that one range cannot
// have: only if it does not exceed RAM and swap. Otherwise the attempts would use up the
// process's addresses, which Go's runtime does not survive.
func splittable(size uint64) bool {
	m, err := probe.Measure()
	return err != nil || size <= m.RAMTotal+m.SwapTotal
}

// fill commits the addresses segment by segment. The retry time is for all segments together.
func (p *Pool) fill(t *tries) error {
	for i := range p.ranges {
		r := &p.ranges[i]
		for off := uint64(0); off < r.extent.size(); off += p.segment {
			n := min(p.segment, r.extent.size()-off)
			a := space.At(r.base, off)
			if err := t.commit(p.sys, a, n); err != nil {
				return refused(probe.Committing, PurposePool, n, err)
			}
			if off == 0 {
				p.ledger.take(PurposePool, n, r.extent.size())
			} else {
				p.ledger.grow(PurposePool, n)
			}
			r.granted += n
			p.size += n
			p.segments++
			if p.huge {
				p.sys.Huge(a, n) // before locking touches them
			}
			if p.lock {
				if err := p.sys.Lock(a, n); err != nil {
					return lockRefused(n, err)
				}
				r.locked += n
			}
		}
		p.holes.put(r.extent)
	}
	return nil
}

// take allocates a block for an arena. filled: it will be written completely, so it is not cleared;
// gaps between tensors may contain old data.
func (p *Pool) take(ledger *Ledger, purpose Purpose, size uint64, filled bool) (*reservation, error) {
	s, dirty, err := p.allocate(ledger, purpose, size)
	if err != nil {
		return nil, err
	}
	if !filled {
		for _, e := range dirty {
			zero(space.At(s.base, e.begin), e.size())
		}
	}
	return s, nil
}

// allocate finds a block and returns which extents of it have to be cleared, as offsets in it.
func (p *Pool) allocate(ledger *Ledger, purpose Purpose, size uint64) (s *reservation, dirty [2]extent, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, dirty, fmt.Errorf("memory pool: %w", files.ErrClosed)
	}
	before := len(p.holes)
	begin, ok := p.holes.take(size, purpose != PurposeWeights)
	if !ok {
		return nil, dirty, p.refuse(purpose, size)
	}
	b := extent{begin, begin + size}
	r := p.rangeOf(b)
	p.blocks++
	p.used += size
	p.peak = max(p.peak, p.used)
	s = &reservation{
		sys: p.sys, ledger: ledger, base: r.at(begin), size: size, purpose: purpose,
		granted: size, count: 1, largest: min(size, p.segment), pool: p, extent: b,
	}
	transfer(size,
		entry{ledger: p.ledger, purpose: PurposePool, count: before - len(p.holes)},
		entry{ledger: ledger, purpose: purpose, count: 1, largest: s.largest, rng: size})
	return s, r.unused.use(b), nil
}

func (p *Pool) rangeOf(b extent) *poolRange {
	i := 0
	for p.ranges[i].extent.end < b.end {
		i++
	}
	return &p.ranges[i]
}

// refuse returns the error for a request that no hole can serve.
func (p *Pool) refuse(purpose Purpose, size uint64) error {
	p.refused++
	free := p.size - p.used
	if free >= size {
		p.split++
	}
	return &Error{
		Purpose: purpose, Requested: size, Available: p.holes.largest(), Limit: probe.LimitPool,
		Remedies: []Remedy{{Kind: RemedyPool}, {Kind: RemedyLess}, {Kind: RemedyNoPool}},
		Err:      fmt.Errorf("%s of %s free, in %d holes", words.Size(free), words.Size(p.size), len(p.holes)),
	}
}

// give frees a block. If it was the last block of a closed pool, the error is that of releasing the
// pool.
func (p *Pool) give(s *reservation) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := len(p.holes)
	p.holes.put(s.extent)
	p.blocks--
	p.used -= s.size
	transfer(s.size,
		entry{ledger: s.ledger, purpose: s.purpose, count: 1},
		entry{ledger: p.ledger, purpose: PurposePool, count: len(p.holes) - before})
	if p.closed && p.blocks == 0 {
		p.err = p.release()
		return p.err
	}
	return nil
}

// Close makes further requests fail with [files.ErrClosed] and returns the memory to the system, at
// once or when the last block is freed, so that arenas may be closed later. Closing twice is safe.
func (p *Pool) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.closed = true
		if p.blocks == 0 {
			p.err = p.release()
		}
	}
	return p.err
}

// release returns all memory to the system. No block may be in use.
func (p *Pool) release() error {
	var errs []error
	count := 0
	for _, r := range p.ranges {
		if r.granted > 0 {
			count++
		}
		for off := uint64(0); off < r.locked; off += p.segment {
			errs = append(errs, p.sys.Unlock(space.At(r.base, off), min(p.segment, r.locked-off)))
		}
		errs = append(errs, p.sys.Release(r.base, r.extent.size(), false))
	}
	p.ledger.give(PurposePool, p.size, count)
	p.ranges, p.holes, p.size, p.segments = nil, nil, 0, 0
	return errors.Join(errs...)
}

// PoolStats are a pool's current figures. Sizes are in bytes. After the memory was released only the
// peak and the refusals remain.
type PoolStats struct {
	Size        uint64 `json:"size_bytes"`
	SegmentSize uint64 `json:"segment_size_bytes"` // the most committed at once
	Segments    int    `json:"segments"`           // number of commits
	Ranges      int    `json:"ranges"`             // of contiguous addresses
	HugePages   bool   `json:"huge_pages"`         // asked for
	Locked      bool   `json:"locked"`

	Used   uint64 `json:"used_bytes"` // in blocks
	Peak   uint64 `json:"peak_bytes"` // the most that Used has been
	Blocks int    `json:"blocks"`

	Free        uint64 `json:"free_bytes"`
	LargestFree uint64 `json:"largest_free_bytes"` // largest block that can be allocated now
	Holes       int    `json:"holes"`              // free extents; never more than blocks and ranges together
	// Fragmentation is the share of free memory outside the largest hole, 0 to 1; 0 if nothing is
	// free.
	Fragmentation float64 `json:"fragmentation"`

	// Refused is how many requests were refused; RefusedFragmented how many of these were no larger
	// than the free memory in total.
	Refused           uint64 `json:"refused"`
	RefusedFragmented uint64 `json:"refused_fragmented"`
}

// Stats returns the current figures.
func (p *Pool) Stats() PoolStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := PoolStats{
		Size: p.size, SegmentSize: p.segment, Segments: p.segments, Ranges: len(p.ranges), HugePages: p.huge, Locked: p.lock,
		Used: p.used, Peak: p.peak, Blocks: p.blocks,
		Free: p.size - p.used, LargestFree: p.holes.largest(), Holes: len(p.holes),
		Refused: p.refused, RefusedFragmented: p.split,
	}
	if s.Free > 0 {
		s.Fragmentation = 1 - float64(s.LargestFree)/float64(s.Free)
	}
	return s
}

// zero clears memory in steps of 1 MiB: the garbage collector cannot stop a goroutine within one
// clear.
func zero(p unsafe.Pointer, size uint64) {
	const step = 1 << 20
	for off := uint64(0); off < size; off += step {
		clear(space.BytesAt(space.At(p, off), min(step, size-off)))
	}
}

// allowed returns an error if the process's own limits leave less than size, so that an attempt does
// not take the memory that Go's runtime needs, which ends the process if refused. With lock it
// also returns one if less is available: the system would try, and kill processes.
func allowed(size uint64, lock bool) error {
	m, err := probe.Measure()
	if err != nil {
		return nil // unknown: try
	}
	l := probe.Smallest(probe.LimitLeft{Limit: probe.LimitAddresses, Left: m.AddressSpaceLeft}, probe.LimitLeft{Limit: probe.LimitData, Left: m.DataLeft})
	if lock {
		left, by := m.Available()
		l = probe.Smallest(l, probe.LimitLeft{Limit: by, Left: left})
	}
	if l.Left < size {
		return &Error{Purpose: PurposePool, Requested: size, Available: l.Left, Limit: l.Limit, Remedies: remedies(l.Limit, size-min(size, l.Left))}
	}
	return nil
}

// lockRefused returns the error for a segment that could not be locked.
func lockRefused(size uint64, err error) error {
	if !probe.BeyondLocks(err) {
		return refused(probe.Committing, PurposePool, size, err)
	}
	return &Error{
		Purpose: PurposePool, Requested: size, Available: probe.LocksLeft(), Limit: probe.LimitLock,
		Remedies: []Remedy{{Kind: RemedyRaise, Limit: probe.LimitLock}, {Kind: RemedyUnlocked}}, Err: err,
	}
}

// forPool adapts the remedies to a pool: it holds no model yet, so those about a model are removed.
func forPool(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	var left []Remedy
	for _, r := range e.Remedies {
		if r.Kind != RemedyLess && r.Kind != RemedyMap {
			left = append(left, r)
		}
	}
	e.Remedies = append(left, Remedy{Kind: RemedySmallerPool})
	return err
}
