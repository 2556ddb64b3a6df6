package memory

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/internal/spacetest"
	"github.com/seed7adf6694/infer/loader/probe"
)

// unlocked is the real system without locking: it records what would be locked, and counts advice.
type unlocked struct {
	space.System
	locked map[unsafe.Pointer]uint64
	advice int
}

func newUnlocked() *unlocked {
	return &unlocked{System: space.RealSystem, locked: map[unsafe.Pointer]uint64{}}
}

func (u *unlocked) Lock(p unsafe.Pointer, size uint64) error {
	u.locked[p] = size
	return nil
}

func (u *unlocked) Unlock(p unsafe.Pointer, size uint64) error {
	if u.locked[p] != size {
		return errors.New("unlocked what was not locked")
	}
	delete(u.locked, p)
	return nil
}

func (u *unlocked) Huge(unsafe.Pointer, uint64) { u.advice++ }

// noWait is for pools that should not really wait.
func noWait(time.Duration) {}

// mustPool makes a pool on a system.
func mustPool(t testing.TB, sys space.System, size uint64, o PoolOptions) *Pool {
	t.Helper()
	p, err := newPool(sys, noWait, size, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func TestPoolIsCommittedInSegments(t *testing.T) {
	unit := space.Granularity()
	for _, tt := range []struct {
		name          string
		size, segment uint64
		want          uint64
		segments      int
	}{
		{"nothing is a granule", 0, 1 * spacetest.MiB, unit, 1},
		{"a byte is a granule", 1, 1 * spacetest.MiB, unit, 1},
		{"less than a segment is one commit", 512 * spacetest.KiB, 1 * spacetest.MiB, 512 * spacetest.KiB, 1},
		{"a segment is one commit", 1 * spacetest.MiB, 1 * spacetest.MiB, 1 * spacetest.MiB, 1},
		{"a byte more are two", 1*spacetest.MiB + 1, 1 * spacetest.MiB, 1*spacetest.MiB + unit, 2},
		{"many segments", 10*spacetest.MiB + 3, 1 * spacetest.MiB, 10*spacetest.MiB + unit, 11},
		{"a segment of a byte is a granule", 5 * unit, 1, 5 * unit, 5},
		{"a segment of no size is as large as chunks are", 1 * spacetest.MiB, 0, 1 * spacetest.MiB, 1},
		{"a segment of impossible size is as large as the pool", 1 * spacetest.MiB, math.MaxUint64, 1 * spacetest.MiB, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var l Ledger
			var largest uint64
			sys := spacetest.NewRefusing(func(what string, _ int, size uint64) bool {
				if what == "commit" {
					largest = max(largest, size)
				}
				return false
			})
			p := mustPool(t, sys, tt.size, PoolOptions{SegmentSize: tt.segment, Ledger: &l})
			segment := tt.want
			if tt.segment > 0 && tt.segment < tt.want {
				segment = space.RoundUp(tt.segment)
			}
			want := PoolStats{
				Size: tt.want, SegmentSize: segment, Segments: tt.segments, Ranges: 1,
				Free: tt.want, LargestFree: tt.want, Holes: 1,
			}
			if got := p.Stats(); got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
			if largest != min(segment, tt.want) {
				t.Errorf("%d bytes were committed at once", largest)
			}
			if got, want := l.Snapshot().Of(PurposePool), (PurposeUsage{tt.want, tt.want, 1, min(segment, tt.want), tt.want}); got != want {
				t.Errorf("the ledger says %+v, want %+v", got, want)
			}
			for range 2 {
				if err := p.Close(); err != nil {
					t.Error(err)
				}
			}
			sys.NothingLeft(t)
			ledgerEmpty(t, &l)
			if got := p.Stats(); got != (PoolStats{SegmentSize: segment}) {
				t.Errorf("closed: %+v", got)
			}
		})
	}
}

func TestPoolOfImpossibleSize(t *testing.T) {
	for _, size := range []uint64{math.MaxUint64, math.MaxUint64 - 4095, 1<<63 + 1, 1<<62 + 1, 1 << 62, 1 << 50} {
		for _, segment := range []uint64{64 * spacetest.KiB, 0, math.MaxUint64} {
			var l Ledger
			sys := spacetest.NewRefusing(nil)
			_, err := newPool(sys, noWait, size, PoolOptions{SegmentSize: segment, Ledger: &l, Retry: -1})
			var e *Error
			if !errors.As(err, &e) || e.Purpose != PurposePool || len(e.Remedies) == 0 {
				t.Errorf("%#x in segments of %#x: %v", size, segment, err)
			}
			if sys.Requests > 1 {
				t.Errorf("%#x in segments of %#x: the system was asked %d times", size, segment, sys.Requests)
			}
			sys.NothingLeft(t)
			ledgerEmpty(t, &l)
		}
	}
}

func TestPoolOfSeveralRanges(t *testing.T) {
	segment := 16 * space.Granularity()
	for _, tt := range []struct {
		name           string
		size           uint64
		most           uint64 // that is reserved in one piece
		ranges         int
		largest        uint64
		refusedAtAll   bool
		wantedSegments int
	}{
		{"one range can be had", 16 * segment, 16 * segment, 1, 16 * segment, false, 16},
		{"half of it can be had", 16 * segment, 15 * segment, 2, 8 * segment, false, 16},
		{"a segment can be had", 16 * segment, segment, 16, segment, false, 16},
		{"ranges are whole segments, but for the last", 15*segment + 1, 14 * segment, 3, 7 * segment, false, 16},
		{"less than a segment can be had", 16 * segment, segment - 1, 0, 0, true, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var l Ledger
			sys := spacetest.NewRefusing(func(what string, _ int, size uint64) bool {
				if what == "reserve" && size < segment && tt.size%segment == 0 {
					t.Errorf("%d bytes of addresses were asked for", size)
				}
				return what == "reserve" && size > tt.most
			})
			p, err := newPool(sys, noWait, tt.size, PoolOptions{SegmentSize: segment, Ledger: &l})
			if tt.refusedAtAll {
				var e *Error
				if !errors.As(err, &e) || e.Requested != segment || !errors.Is(err, spacetest.ErrRefused) {
					t.Errorf("%v", err)
				}
				sys.NothingLeft(t)
				ledgerEmpty(t, &l)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			s := p.Stats()
			if s.Ranges != tt.ranges || s.Holes != tt.ranges || s.LargestFree != tt.largest || s.Segments != tt.wantedSegments || s.Size != space.RoundUp(tt.size) {
				t.Errorf("%+v", s)
			}
			if want := 1 - float64(s.LargestFree)/float64(s.Free); s.Fragmentation != want {
				t.Errorf("fragmentation %v, want %v", s.Fragmentation, want)
			}
			a := NewArena(ArenaOptions{Pool: p, Ledger: &l})
			if _, err := a.AllocBlock(PurposeKV, uintptr(tt.largest)+1); !errors.Is(err, ErrInsufficientMemory) {
				t.Errorf("a block across two ranges: %v", err)
			}
			for range tt.size / tt.largest {
				if b, err := a.AllocBlock(PurposeWeights, uintptr(tt.largest)); err != nil {
					t.Error(err)
				} else {
					b := space.BytesAt(b, tt.largest)
					b[0], b[len(b)-1] = 1, 1
				}
			}
			if err := errors.Join(a.Close(), p.Close()); err != nil {
				t.Error(err)
			}
			sys.NothingLeft(t)
			ledgerEmpty(t, &l)
		})
	}
}

// Whichever request is refused, nothing stays allocated.
func TestPoolRefusalOfEveryRequestInTurn(t *testing.T) {
	const segment = 64 * spacetest.KiB
	for k := 0; ; k++ {
		var l Ledger
		sys := spacetest.NewRefusing(func(what string, n int, size uint64) bool {
			return n == k || what == "reserve" && size > 4*segment // ranges of four segments
		})
		locks := newUnlocked()
		sys.System = locks
		p, err := newPool(sys, noWait, 10*segment, PoolOptions{SegmentSize: segment, HugePages: true, Lock: true, Ledger: &l, Retry: -1})
		if err == nil {
			if got := p.Stats(); got.Size != 10*segment || !got.Locked || !got.HugePages || locks.advice != 10 || len(locks.locked) != 10 {
				t.Errorf("%+v, %d times advice, %d locks", got, locks.advice, len(locks.locked))
			}
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		} else if e := (*Error)(nil); !errors.As(err, &e) || !errors.Is(err, spacetest.ErrRefused) || e.Purpose != PurposePool ||
			e.Requested == 0 || !slices.Contains(kindsOf(e.Remedies), RemedySmallerPool) && !slices.Contains(kindsOf(e.Remedies), RemedyUnlocked) {
			t.Errorf("request %d refused: %v", k, err)
		} else if strings.Contains(err.Error(), "mlock") || slices.Contains(kindsOf(e.Remedies), RemedyLess) {
			t.Errorf("request %d refused: %v", k, err)
		}
		sys.NothingLeft(t)
		ledgerEmpty(t, &l)
		if len(locks.locked) > 0 {
			t.Errorf("request %d refused: %d pieces stay locked", k, len(locks.locked))
		}
		if err == nil && k > 30 {
			return // all requests were made, and none refused
		}
	}
}

func TestPoolRefusedLocksAreNamed(t *testing.T) {
	sys := spacetest.NewRefusing(func(what string, _ int, _ uint64) bool { return what == "lock" })
	_, err := newPool(sys, noWait, 1*spacetest.MiB, PoolOptions{SegmentSize: 64 * spacetest.KiB, Lock: true})
	var e *Error
	if !errors.As(err, &e) || e.Limit != probe.LimitLock || e.Requested != 64*spacetest.KiB || !slices.Equal(kindsOf(e.Remedies), []RemedyKind{RemedyRaise, RemedyUnlocked, RemedySmallerPool}) || e.Remedies[0].Limit != probe.LimitLock {
		t.Errorf("%v", err)
	}
}

func TestPoolIsNotLockedWhereThereIsTooLittle(t *testing.T) {
	m, err := probe.Measure()
	if err != nil {
		t.Skip(err)
	}
	left, _ := m.Available()
	if left > space.MostAddresses/4 {
		t.Skip("the memory there is is not known")
	}
	sys := spacetest.NewRefusing(nil)
	_, err = newPool(sys, noWait, 4*left+1, PoolOptions{Lock: true})
	var e *Error
	if !errors.As(err, &e) || e.Limit == "" || e.Available > 4*left || sys.Requests != 0 {
		t.Errorf("%v after %d requests", err, sys.Requests)
	}
}

func TestPoolCommitsAreTriedAgain(t *testing.T) {
	for _, tt := range []struct {
		name   string
		retry  time.Duration
		refuse func(n int) bool
		ok     bool
		waited time.Duration // 0 for less than two seconds
	}{
		{"once", 0, func(n int) bool { return n == 3 }, true, 0},
		{"for five times", 0, func(n int) bool { return n >= 3 && n < 8 }, true, 0},
		{"not at all where that is said", -1, func(n int) bool { return n == 3 }, false, 0},
		{"for no longer than two seconds in all", 0, func(n int) bool { return n >= 3 }, false, 2 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var l Ledger
			var waited time.Duration
			sys := spacetest.NewRefusing(func(_ string, n int, _ uint64) bool { return tt.refuse(n) })
			p, err := newPool(sys, func(d time.Duration) { waited += d }, 1*spacetest.MiB, PoolOptions{SegmentSize: 64 * spacetest.KiB, Retry: tt.retry, Ledger: &l})
			if (err == nil) != tt.ok || tt.waited > 0 && waited != tt.waited || waited > 2*time.Second {
				t.Errorf("%v after %v", err, waited)
			}
			if err == nil {
				p.Close()
			}
			sys.NothingLeft(t)
			ledgerEmpty(t, &l)
		})
	}
}

// Random blocks are zeroed and do not overlap; in the end the pool is one free extent.
func TestPoolBlocksAreZeroedAndSeparate(t *testing.T) {
	unit := space.Granularity()
	var own, pooled Ledger
	sys := spacetest.NewRefusing(nil)
	p := mustPool(t, sys, 64*unit, PoolOptions{SegmentSize: 5 * unit, Ledger: &pooled})
	a := NewArena(ArenaOptions{Pool: p, Ledger: &own})
	requests := sys.Requests
	type block struct {
		p    unsafe.Pointer
		size uint64
		mark byte
	}
	var out []block
	r := rand.New(rand.NewPCG(6, 7))
	check := func(b block) {
		for _, c := range space.BytesAt(b.p, b.size) {
			if c != b.mark {
				t.Fatalf("%d where %d was written", c, b.mark)
			}
		}
	}
	refused, peak := uint64(0), uint64(0)
	for i := range 3000 {
		if r.IntN(5) < 2 && len(out) > 0 {
			j := r.IntN(len(out))
			check(out[j])
			a.FreeBlock(out[j].p)
			out = slices.Delete(out, j, j+1)
		} else {
			size := 1 + r.Uint64N(12*unit)
			q, err := a.AllocBlock(anyPurpose(r.Int()), uintptr(size))
			if err != nil {
				var e *Error
				if !errors.As(err, &e) || e.Limit != probe.LimitPool || e.Available >= space.RoundUp(size) || e.Available != p.Stats().LargestFree {
					t.Fatal(err)
				}
				refused++
				continue
			}
			if uint64(uintptr(q))%unit != 0 {
				t.Fatalf("%p is not aligned", q)
			}
			check(block{q, space.RoundUp(size), 0})
			b := block{q, space.RoundUp(size), byte(1 + i%255)}
			mem := space.BytesAt(b.p, b.size)
			for k := range mem {
				mem[k] = b.mark
			}
			out = append(out, b)
		}
		used := uint64(0)
		for _, b := range out {
			used += b.size
		}
		peak = max(peak, used)
		s := p.Stats()
		if s.Used != used || s.Free != s.Size-used || s.Blocks != len(out) || s.Refused != refused || s.Peak != peak || s.Holes > s.Blocks+s.Ranges || s.RefusedFragmented > s.Refused {
			t.Fatalf("%+v, used are %d in %d", s, used, len(out))
		}
		free := pooled.Snapshot()
		if u := own.Snapshot().Total; u.Current != used || u.Count != len(out) || u.LargestAllocation > 5*unit {
			t.Fatalf("the arena's ledger says %+v", u)
		}
		if u := free.Of(PurposePool); u.Current != s.Free || u.Count != s.Holes || free.Total != u {
			t.Fatalf("the pool's ledger says %+v, %+v", free.Total, s)
		}
	}
	if refused == 0 || p.Stats().RefusedFragmented == 0 {
		t.Error("the pool was never full, nor in pieces")
	}
	for _, b := range out {
		check(b)
		a.FreeBlock(b.p)
	}
	if s := p.Stats(); s.LargestFree != s.Size || s.Holes != 1 || s.Fragmentation != 0 || s.Used != 0 {
		t.Errorf("in the end %+v", s)
	}
	if sys.Requests != requests {
		t.Errorf("%d requests to the system", sys.Requests-requests)
	}
	ledgerEmpty(t, &own)
	p.Close()
	sys.NothingLeft(t)
	ledgerEmpty(t, &pooled)
}

func TestPoolInOneLedgerCountsNothingTwice(t *testing.T) {
	const segment = 256 * spacetest.KiB
	var l Ledger
	sys := spacetest.NewRefusing(nil)
	p := mustPool(t, sys, 4*segment, PoolOptions{SegmentSize: segment, Ledger: &l})
	a := NewArena(ArenaOptions{Pool: p, Ledger: &l})
	check := func(when string, want map[Purpose]PurposeUsage, pieces int) {
		t.Helper()
		u := l.Snapshot()
		for i := range PurposeOther {
			if u.Of(i) != want[i] {
				t.Errorf("%s: %v is %+v, want %+v", when, i, u.Of(i), want[i])
			}
		}
		if want := (PurposeUsage{4 * segment, 4 * segment, pieces, segment, 4 * segment}); u.Total != want {
			t.Errorf("%s: in all %+v, want %+v", when, u.Total, want)
		}
	}
	pool := func(now uint64, pieces int) PurposeUsage {
		return PurposeUsage{now, 4 * segment, pieces, segment, 4 * segment}
	}
	check("at first", map[Purpose]PurposeUsage{PurposePool: pool(4*segment, 1)}, 1)
	w, err := a.AllocBlock(PurposeWeights, segment+segment/2)
	if err != nil {
		t.Fatal(err)
	}
	weights := PurposeUsage{segment + segment/2, segment + segment/2, 1, segment, segment + segment/2}
	check("with weights", map[Purpose]PurposeUsage{PurposePool: pool(5*segment/2, 1), PurposeWeights: weights}, 2)
	kv, err := a.AllocBlock(PurposeCompute, segment/2)
	if err != nil {
		t.Fatal(err)
	}
	half := PurposeUsage{segment / 2, segment / 2, 1, segment / 2, segment / 2}
	check("with compute", map[Purpose]PurposeUsage{PurposePool: pool(2*segment, 1), PurposeWeights: weights, PurposeCompute: half}, 3)
	a.TagBlock(kv, PurposeKV)
	was := half
	was.Current, was.Count = 0, 0
	check("with another tag", map[Purpose]PurposeUsage{PurposePool: pool(2*segment, 1), PurposeWeights: weights, PurposeCompute: was, PurposeKV: half}, 3)
	a.FreeBlock(w)
	weights.Current, weights.Count = 0, 0
	check("without weights", map[Purpose]PurposeUsage{PurposePool: pool(7*segment/2, 1), PurposeWeights: weights, PurposeCompute: was, PurposeKV: half}, 2)
	a.Close()
	half.Current, half.Count = 0, 0
	check("with a closed arena", map[Purpose]PurposeUsage{PurposePool: pool(4*segment, 1), PurposeWeights: weights, PurposeCompute: was, PurposeKV: half}, 1)
	p.Close()
	sys.NothingLeft(t)
	ledgerEmpty(t, &l)
}

func TestPoolTooSmall(t *testing.T) {
	var l Ledger
	p := mustPool(t, space.RealSystem, 1*spacetest.MiB, PoolOptions{SegmentSize: 64 * spacetest.KiB})
	a := NewArena(ArenaOptions{Pool: p, Ledger: &l, Retry: time.Hour})
	a.sleep = func(time.Duration) { t.Error("waited for what can't come") }
	defer a.Close()
	var blocks []unsafe.Pointer
	for range 4 {
		b, err := a.AllocBlock(PurposeKV, 256*spacetest.KiB)
		if err != nil {
			t.Fatal(err)
		}
		blocks = append(blocks, b)
	}
	a.FreeBlock(blocks[0])
	a.FreeBlock(blocks[2])
	for _, size := range []uintptr{256*spacetest.KiB + 1, 512 * spacetest.KiB, 2 * spacetest.MiB, 1<<62 + 1, math.MaxUint} {
		_, err := a.AllocBlock(PurposeKV, size)
		var e *Error
		if !errors.As(err, &e) || e.Limit != "pool" || e.Available != 256*spacetest.KiB || e.Purpose != PurposeKV || e.Requested < min(uint64(size), space.MostAddresses) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	_, err := a.AllocBlock(PurposeKV, 512*spacetest.KiB)
	var e *Error
	if !errors.As(err, &e) || e.Requested != 512*spacetest.KiB || e.Available != 256*spacetest.KiB || e.Limit != probe.LimitPool ||
		!slices.Equal(kindsOf(e.Remedies), []RemedyKind{RemedyPool, RemedyLess, RemedyNoPool}) {
		t.Errorf("half of the pool, of which half is free: %v", err)
	}
	for _, figure := range []string{"512 KiB needed", "256 KiB left", "512 KiB of 1.0 MiB", "2 holes"} {
		if !strings.Contains(err.Error(), figure) {
			t.Errorf("%q is missing in %v", figure, err)
		}
	}
	if s := p.Stats(); s.Refused != 6 || s.RefusedFragmented != 3 || s.Fragmentation != 0.5 {
		t.Errorf("%+v", s)
	}
	if got := l.Snapshot().Total; got.Current != 512*spacetest.KiB || got.Count != 2 {
		t.Errorf("the ledger says %+v", got)
	}
	// A refused request does not affect later ones.
	if _, err := a.AllocBlock(PurposeKV, 256*spacetest.KiB); err != nil {
		t.Error(err)
	}
}

func TestArenaOfAPoolKeepsItsBounds(t *testing.T) {
	p := mustPool(t, space.RealSystem, 4*spacetest.MiB, PoolOptions{SegmentSize: 256 * spacetest.KiB})
	a := NewArena(ArenaOptions{Pool: p, MaxRange: 1 * spacetest.MiB})
	defer a.Close()
	if got := uint64(a.BlockSize()); got != space.Payload(256*spacetest.KiB) {
		t.Errorf("blocks of %d, without a chunk size", got)
	}
	if _, err := a.AllocBlock(PurposeKV, 1*spacetest.MiB); err != nil {
		t.Errorf("the bound itself: %v", err)
	}
	var e *RangeError
	if _, err := a.AllocBlock(PurposeKV, 1*spacetest.MiB+1); !errors.As(err, &e) || e.Limit != 1*spacetest.MiB {
		t.Errorf("a byte more: %v", err)
	}
	if a.Bytes() != 1*spacetest.MiB || p.Stats().Used != 1*spacetest.MiB || p.Stats().Refused != 0 {
		t.Errorf("%d bytes in blocks, %+v", a.Bytes(), p.Stats())
	}
}

func TestArenasShareAPool(t *testing.T) {
	p := mustPool(t, space.RealSystem, 1*spacetest.MiB, PoolOptions{SegmentSize: 256 * spacetest.KiB})
	a, b := NewArena(ArenaOptions{Pool: p}), NewArena(ArenaOptions{Pool: p})
	x, err := a.AllocBlock(PurposeKV, 512*spacetest.KiB)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.AllocBlock(PurposeKV, 512*spacetest.KiB); err != nil {
		t.Fatal(err)
	}
	b.FreeBlock(x) // is not b's
	if p.Stats().Free != 0 {
		t.Error("an arena took back another's block")
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	for range 2 {
		a.FreeBlock(x)
	}
	if s := p.Stats(); s.Free != s.Size || s.Blocks != 0 {
		t.Errorf("%+v", s)
	}
}

func TestClosedPool(t *testing.T) {
	var l Ledger
	sys := spacetest.NewRefusing(nil)
	p := mustPool(t, sys, 1*spacetest.MiB, PoolOptions{SegmentSize: 256 * spacetest.KiB, Ledger: &l})
	a := NewArena(ArenaOptions{Pool: p, Ledger: &l})
	var blocks []unsafe.Pointer
	for range 3 {
		b, err := a.AllocBlock(PurposeKV, 64*spacetest.KiB)
		if err != nil {
			t.Fatal(err)
		}
		blocks = append(blocks, b)
	}
	for range 2 {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := a.AllocBlock(PurposeKV, 1); !errors.Is(err, files.ErrClosed) || !strings.Contains(err.Error(), "pool") {
		t.Errorf("a block of a closed pool: %v", err)
	}
	space.BytesAt(blocks[2], 64*spacetest.KiB)[0] = 1 // is still there
	a.FreeBlock(blocks[0])
	a.FreeBlock(blocks[1])
	if s := p.Stats(); s.Size != 1*spacetest.MiB || s.Blocks != 1 || len(sys.Live) != 1 {
		t.Errorf("with a block: %+v", s)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	sys.NothingLeft(t)
	ledgerEmpty(t, &l)
	if s := p.Stats(); s.Size != 0 || s.Free != 0 || s.Peak != 192*spacetest.KiB {
		t.Errorf("without: %+v", s)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// unreleased is a system whose releases fail.
type unreleased struct{ space.System }

var errUnreleased = errors.New("not taken back")

func (u unreleased) Release(p unsafe.Pointer, size uint64, views bool) error {
	return errors.Join(errUnreleased, u.System.Release(p, size, views))
}

func TestPoolThatCannotBeGivenBackSaysSo(t *testing.T) {
	p := mustPool(t, unreleased{space.RealSystem}, 1*spacetest.MiB, PoolOptions{})
	if err := p.Close(); !errors.Is(err, errUnreleased) {
		t.Errorf("closed: %v", err)
	}
	if err := p.Close(); !errors.Is(err, errUnreleased) {
		t.Errorf("closed again: %v", err)
	}
	p = mustPool(t, unreleased{space.RealSystem}, 1*spacetest.MiB, PoolOptions{})
	a := NewArena(ArenaOptions{Pool: p})
	if _, err := a.AllocBlock(PurposeKV, 1); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("closed with a block: %v", err)
	}
	if err := a.Close(); !errors.Is(err, errUnreleased) {
		t.Errorf("the last block: %v", err)
	}
}

// Two models take turns a thousand times: no growth, no failure, and the largest free extent stays
// the same.
func TestModelsTakeTurnsInAPool(t *testing.T) {
	memtest.WithoutRace(t)
	unit := space.Granularity()
	type part struct {
		purpose Purpose
		units   uint64
	}
	models := [2][]part{
		{{PurposeWeights, 40}, {PurposeWeights, 16}, {PurposeWeights, 15}, {PurposeWeights, 16}, {PurposeWeights, 9}, {PurposeKV, 16}, {PurposeCompute, 7}, {PurposeOutput, 1}},
		{{PurposeWeights, 16}, {PurposeWeights, 13}, {PurposeKV, 16}, {PurposeKV, 16}, {PurposeKV, 5}, {PurposeCompute, 11}, {PurposeStaging, 3}},
	}
	var l Ledger
	sys := spacetest.NewRefusing(nil)
	p := mustPool(t, sys, 128*unit, PoolOptions{SegmentSize: 16 * unit, Ledger: &l})
	other := NewArena(ArenaOptions{Pool: p, Ledger: &l}) // a session of a third model stays
	if _, err := other.AllocBlock(PurposeKV, uintptr(3*unit)); err != nil {
		t.Fatal(err)
	}
	start, requests := p.Stats(), sys.Requests
	// turn opens, uses and closes both.
	turn := func() {
		for _, m := range models {
			a := NewArena(ArenaOptions{Pool: p, Ledger: &l})
			for i, part := range m {
				b, err := a.AllocBlock(part.purpose, uintptr(part.units*unit))
				if err != nil {
					t.Fatal(err)
				}
				mem := space.BytesAt(b, part.units*unit)
				for off := 0; off < len(mem); off += 512 {
					if mem[off] != 0 {
						t.Fatal("not zeroed")
					}
					mem[off] = byte(i + 1)
				}
			}
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	anon := func() uint64 {
		debug.FreeOSMemory()
		m, err := probe.ProcessMemory()
		if err != nil {
			t.Fatal(err)
		}
		return m.Anon
	}
	for range 10 {
		turn()
	}
	before := anon()
	peak := p.Stats().Peak
	for range 1000 {
		turn()
	}
	after := anon()
	s := p.Stats()
	if s.Peak != peak {
		t.Errorf("the peak has grown from %d to %d", peak, s.Peak)
	}
	if s.Peak = start.Peak; s != start {
		t.Errorf("in the end %+v, at first %+v", s, start)
	}
	if sys.Requests != requests {
		t.Errorf("the system was asked %d times", sys.Requests-requests)
	}
	if after > before+4*spacetest.MiB {
		t.Errorf("private memory has grown from %d to %d", before, after)
	}
	if u := l.Snapshot().Total; u.Current != 128*unit || u.Peak != 128*unit || u.LargestAllocation != 16*unit {
		t.Errorf("the ledger says %+v", u)
	}
	if err := errors.Join(other.Close(), p.Close()); err != nil {
		t.Error(err)
	}
	sys.NothingLeft(t)
	ledgerEmpty(t, &l)
}

// Memory that is in no block is not touched.
func TestPoolLeavesUntouchedWhatIsNotUsed(t *testing.T) {
	before, err := probe.ProcessMemory()
	if err != nil || before.Anon == 0 {
		t.Skipf("the system does not tell: %+v, %v", before, err)
	}
	p := mustPool(t, space.RealSystem, 256*spacetest.MiB, PoolOptions{SegmentSize: 64 * spacetest.MiB})
	a := NewArena(ArenaOptions{Pool: p})
	defer a.Close()
	for _, purpose := range []Purpose{PurposeWeights, PurposeKV} {
		if _, err := a.AllocBlock(purpose, 100*spacetest.MiB); err != nil {
			t.Fatal(err)
		}
	}
	after, err := probe.ProcessMemory()
	if err != nil {
		t.Fatal(err)
	}
	if after.Anon > before.Anon+64*spacetest.MiB {
		t.Errorf("private memory has grown from %d to %d", before.Anon, after.Anon)
	}
}

func TestPoolIsUsedByManyAtOnce(t *testing.T) {
	unit := space.Granularity()
	var l Ledger
	sys := spacetest.NewRefusing(nil)
	p := mustPool(t, sys, 64*unit, PoolOptions{SegmentSize: 16 * unit, Ledger: &l})
	arenas := []*Arena{NewArena(ArenaOptions{Pool: p, Ledger: &l}), NewArena(ArenaOptions{Pool: p})}
	var wg sync.WaitGroup
	shared := make(chan unsafe.Pointer, 16)
	for i := range 8 {
		wg.Go(func() {
			a := arenas[i%2]
			for j := range 200 {
				size := uint64(1+(i*j)%7) * unit
				b, err := a.AllocBlock(anyPurpose(i), uintptr(size))
				if err != nil {
					if !errors.Is(err, ErrInsufficientMemory) {
						t.Error(err)
					}
					select {
					case q := <-shared: // may be the other arena's, who will close it
						a.FreeBlock(q)
					default:
					}
					continue
				}
				mem := space.BytesAt(b, size)
				if mem[0] != 0 || mem[size-1] != 0 {
					t.Error("not zeroed, or somebody else's too")
				}
				mem[0], mem[size-1] = 1, 1
				a.TagBlock(b, anyPurpose(j))
				select {
				case shared <- b: // for another to free, or to ignore where it is not its own
				case q := <-shared:
					a.FreeBlock(q)
					a.FreeBlock(b)
				}
				if s := p.Stats(); s.Used+s.Free != s.Size || s.LargestFree > s.Free {
					t.Errorf("%+v", s)
				}
				if u := l.Snapshot().Total; u.Current > 64*unit || u.Peak > 64*unit {
					t.Errorf("the ledger says %+v", u)
				}
			}
		})
	}
	wg.Wait()
	for _, a := range arenas[1:] {
		wg.Go(func() {
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Go(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := arenas[0].Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	sys.NothingLeft(t)
	ledgerEmpty(t, &l)
}

func TestPoolStatsInJSON(t *testing.T) {
	b, err := json.Marshal(PoolStats{Size: 10, SegmentSize: 2, Segments: 5, Ranges: 1, Used: 3, Peak: 4, Blocks: 1, Free: 7, LargestFree: 5, Holes: 2, Fragmentation: 0.25, Refused: 9, RefusedFragmented: 8, Locked: true})
	const want = `{"size_bytes":10,"segment_size_bytes":2,"segments":5,"ranges":1,"huge_pages":false,"locked":true,"used_bytes":3,"peak_bytes":4,"blocks":1,` +
		`"free_bytes":7,"largest_free_bytes":5,"holes":2,"fragmentation":0.25,"refused":9,"refused_fragmented":8}`
	if err != nil || string(b) != want {
		t.Errorf("got  %s, %v\nwant %s", b, err, want)
	}
}

func BenchmarkPoolBlock(b *testing.B) {
	p := mustPool(b, space.RealSystem, 256*spacetest.MiB, PoolOptions{})
	a := NewArena(ArenaOptions{Pool: p})
	defer a.Close()
	for _, size := range []uint64{4096, 1 * spacetest.MiB, 64 * spacetest.MiB} {
		for _, filled := range []bool{false, true} {
			name := words.Size(size) + " to be cleared"
			if filled {
				name = words.Size(size) + " to be filled"
			}
			b.Run(name, func(b *testing.B) {
				for b.Loop() {
					q, err := a.alloc(PurposeWeights, size, filled)
					if err != nil {
						b.Fatal(err)
					}
					a.FreeBlock(q)
				}
			})
		}
	}
}

func kindsOf(remedies []Remedy) (kinds []RemedyKind) {
	for _, r := range remedies {
		kinds = append(kinds, r.Kind)
	}
	return kinds
}
