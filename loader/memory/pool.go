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
	// SegmentSize is the most that is committed at once, in bytes, rounded up to the
	// system's granularity. 0: that of [DefaultChunkSize].
	SegmentSize uint64
	// HugePages advises the system to back the pool with large pages: filling and using
	// it is faster, and a byte that is used makes some MiB resident. Only Linux listens.
	HugePages bool
	// Lock makes all of the pool resident now, and keeps it so: it is never swapped. Some
	// systems let a process lock but a little.
	Lock bool
	// Ledger takes the account of what is free; nil: none.
	Ledger *Ledger
	// Retry is for how long a refused commit is tried again, as in [ArenaOptions].
	Retry time.Duration
}

// Pool is private memory that is reserved and committed once, for the blocks of arenas
// ([ArenaOptions].Pool) to come from: what it has can't be refused later, and it goes
// back to the system all together.
//
// Its addresses are one range if that can be had, otherwise several, each of a segment
// at least; a block lies within one range, across any number of segments. Blocks are
// rounded up to the granularity and are zeroed, as an arena's always are: what was in a
// block before is cleared, what never was is left untouched and need not be resident.
// There are no pages without access between blocks, as those would have to be split
// off and joined again at every use: what runs over a block runs into the next one, and
// faults at the ends of a range only.
//
// What is free may be in several pieces. When all blocks are back it is one piece a
// range again, and a model that is closed leaves the pieces that it found, so that
// models can take turns for ever. [Pool.Stats] reports the pieces.
//
// A ledger counts every byte once: what is free is on the pool's, as purpose pool; what
// is in a block is on its arena's, as what the block is for, and is not on the pool's
// until it comes back. Where both are the same ledger its total is the pool's size,
// whatever is out. As the number of pieces, free pieces and blocks count one each; as
// the largest allocation, no more than a segment; as the largest range, a range of the
// pool's for the pool (and in the total), the block for others.
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
	split    uint64 // of those refused: with enough free
	closed   bool
	err      error // of giving it back
}

// poolRange is a reservation of contiguous addresses.
type poolRange struct {
	base   unsafe.Pointer
	places extent
	unused unused

	granted, locked uint64 // bytes from the base
}

// at is the address of a place.
func (r *poolRange) at(place uint64) unsafe.Pointer { return space.At(r.base, place-r.places.begin) }

// NewPool takes size bytes, rounded up to the granularity, of which it is one unit at
// least. Where the system refuses nothing is kept, and the error is a [*Error]. It
// is one, without an attempt, where the process's own limits leave less, and where Lock
// asks for more than [probe.Probe.Available] tells of: that would end the process rather than
// fail. Without Lock, what is granted is promised as far as the system counts its
// promises, which Linux mostly does not: compare the size with [probe.Probe.Available] before.
func NewPool(size uint64, o PoolOptions) (*Pool, error) {
	return newPool(space.Current, time.Sleep, size, o)
}

func newPool(sys space.System, sleep func(time.Duration), size uint64, o PoolOptions) (*Pool, error) {
	if size > space.MostAddresses {
		return nil, forPool(refused(probe.Reserving, PurposePool, size, errors.New("more than there are addresses")))
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

// reserve takes the addresses, in pieces half as large where they are refused.
func (p *Pool) reserve(size uint64) error {
	unit := space.Granularity()
	place := uint64(0)
	for try := size; size > 0; {
		n := min(try, size)
		base, err := p.sys.Reserve(n, false, 0)
		if err == nil {
			e := extent{place, place + n}
			p.ranges = append(p.ranges, poolRange{base: base, places: e, unused: unused{e}})
			place = e.end + unit // ranges do not touch
			size -= n
			continue
		}
		if n <= p.segment || len(p.ranges) == 0 && !splittable(size) {
			return refused(probe.Reserving, PurposePool, n, err)
		}
		// Whole segments, so that there are no more commits than in one range.
		try = max(n/2/p.segment*p.segment, p.segment)
		if err := CheckMappings(PurposePool, try, 2*((size+try-1)/try)); err != nil {
			return err
		}
	}
	return nil
}

// splittable tells whether a size that can't be had in one range may be had in several:
// whether there could ever be as much memory. Trying to find out would take all addresses
// there are from the rest of the process, whose runtime does not survive that.
func splittable(size uint64) bool {
	m, err := probe.Measure()
	return err != nil || size <= m.RAMTotal+m.SwapTotal
}

// fill commits the addresses segment by segment. The time to retry is for all of them.
func (p *Pool) fill(t *tries) error {
	for i := range p.ranges {
		r := &p.ranges[i]
		for off := uint64(0); off < r.places.size(); off += p.segment {
			n := min(p.segment, r.places.size()-off)
			a := space.At(r.base, off)
			if err := t.commit(p.sys, a, n); err != nil {
				return refused(probe.Committing, PurposePool, n, err)
			}
			if off == 0 {
				p.ledger.take(PurposePool, n, r.places.size())
			} else {
				p.ledger.grow(PurposePool, n)
			}
			r.granted += n
			p.size += n
			p.segments++
			if p.huge {
				p.sys.Huge(a, n) // before they are touched, which locking does
			}
			if p.lock {
				if err := p.sys.Lock(a, n); err != nil {
					return lockRefused(n, err)
				}
				r.locked += n
			}
		}
		p.holes.put(r.places)
	}
	return nil
}

// take gives a block to an arena. filled says that all of it will be written: then it is
// not cleared, and what lies between its parts may be anything, as in a mapped file.
func (p *Pool) take(ledger *Ledger, purpose Purpose, size uint64, filled bool) (*span, error) {
	s, dirty, err := p.place(ledger, purpose, size)
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

// place finds a block, and which parts of it are to be cleared, as offsets.
func (p *Pool) place(ledger *Ledger, purpose Purpose, size uint64) (s *span, dirty [2]extent, err error) {
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
	s = &span{
		sys: p.sys, ledger: ledger, base: r.at(begin), size: size, purpose: purpose,
		granted: size, pieces: 1, largest: min(size, p.segment), pool: p, place: b,
	}
	transfer(size,
		entry{ledger: p.ledger, purpose: PurposePool, pieces: before - len(p.holes)},
		entry{ledger: ledger, purpose: purpose, pieces: 1, largest: s.largest, rng: size})
	return s, r.unused.use(b), nil
}

func (p *Pool) rangeOf(b extent) *poolRange {
	i := 0
	for p.ranges[i].places.end < b.end {
		i++
	}
	return &p.ranges[i]
}

// refuse says what of the pool is left.
func (p *Pool) refuse(purpose Purpose, size uint64) error {
	p.refused++
	free := p.size - p.used
	if free >= size {
		p.split++
	}
	return &Error{
		Purpose: purpose, Requested: size, Available: p.holes.largest(), Limit: probe.LimitPool,
		Remedies: []Remedy{{Kind: RemedyPool}, {Kind: RemedyLess}, {Kind: RemedyNoPool}},
		Err:      fmt.Errorf("%s of %s free, in %d pieces", words.Size(free), words.Size(p.size), len(p.holes)),
	}
}

// give takes a block back. The error is that of giving the pool back, where this was
// the last block of a closed one.
func (p *Pool) give(s *span) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := len(p.holes)
	p.holes.put(s.place)
	p.blocks--
	p.used -= s.size
	transfer(s.size,
		entry{ledger: s.ledger, purpose: s.purpose, pieces: 1},
		entry{ledger: p.ledger, purpose: PurposePool, pieces: len(p.holes) - before})
	if p.closed && p.blocks == 0 {
		p.err = p.release()
		return p.err
	}
	return nil
}

// Close makes the pool give no more blocks, and gives its memory back to the system: at
// once where no block is out, otherwise when the last one comes back, so that arenas
// may be closed after it. Arenas get an error that wraps [files.ErrClosed] from then on.
// Closing twice is safe.
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

// release gives everything back, of which no block is out.
func (p *Pool) release() error {
	var errs []error
	pieces := 0
	for _, r := range p.ranges {
		if r.granted > 0 {
			pieces++
		}
		for off := uint64(0); off < r.locked; off += p.segment {
			errs = append(errs, p.sys.Unlock(space.At(r.base, off), min(p.segment, r.locked-off)))
		}
		errs = append(errs, p.sys.Release(r.base, r.places.size(), false))
	}
	p.ledger.give(PurposePool, p.size, pieces)
	p.ranges, p.holes, p.size, p.segments = nil, nil, 0, 0
	return errors.Join(errs...)
}

// PoolStats is what a pool has and how it is divided. Sizes are in bytes. Once the
// memory was given back there is nothing but the peak and what was refused.
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
	LargestFree uint64 `json:"largest_free_bytes"` // the largest block to be had now
	Holes       int    `json:"holes"`              // free pieces; never more than blocks and ranges together
	// Fragmentation is the share, from 0 to 1, of what is free that is not in the
	// largest free piece; 0 where nothing is free.
	Fragmentation float64 `json:"fragmentation"`

	// Refused is how many blocks were refused, RefusedFragmented how many of them would
	// have fit had all that was free been in one piece.
	Refused           uint64 `json:"refused"`
	RefusedFragmented uint64 `json:"refused_fragmented"`
}

// Stats returns the figures as they are now.
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

// zero clears memory, in pieces, as the garbage collector can't stop a goroutine in the
// middle of one.
func zero(p unsafe.Pointer, size uint64) {
	const piece = 1 << 20
	for off := uint64(0); off < size; off += piece {
		clear(space.BytesAt(space.At(p, off), min(piece, size-off)))
	}
}

// allowed refuses what the process's own limits can't give, before the attempt takes
// what the rest of the process needs: Go's runtime ends the process when it gets nothing.
// It refuses to lock more than there is, which the system would try, and end the process,
// or others, when it gets nowhere.
func allowed(size uint64, lock bool) error {
	m, err := probe.Measure()
	if err != nil {
		return nil // the attempt decides
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

// lockRefused makes the error of a piece that could not be locked.
func lockRefused(size uint64, err error) error {
	if !probe.BeyondLocks(err) {
		return refused(probe.Committing, PurposePool, size, err)
	}
	return &Error{
		Purpose: PurposePool, Requested: size, Available: probe.LocksLeft(), Limit: probe.LimitLock,
		Remedies: []Remedy{{Kind: RemedyRaise, Limit: probe.LimitLock}, {Kind: RemedyUnlocked}}, Err: err,
	}
}

// forPool corrects the remedies of what a pool asked of the system: no model is any
// part of that yet.
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
