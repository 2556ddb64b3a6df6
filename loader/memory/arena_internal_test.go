package memory

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/internal/spacetest"
	"github.com/seed7adf6694/infer/loader/probe"
)

// arenaOf makes an arena on a system, which does not really wait.
func arenaOf(sys space.System, o ArenaOptions) (*Arena, *[]time.Duration) {
	var waits []time.Duration
	a := NewArena(o)
	a.sys = sys
	a.sleep = func(d time.Duration) { waits = append(waits, d) }
	return a, &waits
}

func TestBlocks(t *testing.T) {
	unit := space.Granularity()
	const chunk = 1 * spacetest.MiB
	for _, tt := range []struct {
		name   string
		size   uint64
		pieces int
	}{
		{"nothing is a granule", 0, 1},
		{"a byte is a granule", 1, 1},
		{"a granule is one", unit, 1},
		{"a chunk is one piece", chunk, 1},
		{"a byte more are two", chunk + 1, 2},
		{"a large block is committed chunk by chunk", 5*chunk + 3*unit, 6},
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
			a, _ := arenaOf(sys, ArenaOptions{ChunkSize: chunk, Ledger: &l})
			p, err := a.AllocBlock(PurposeKV, uintptr(tt.size))
			if err != nil {
				t.Fatal(err)
			}
			size := space.RoundUp(max(tt.size, 1))
			if uint64(uintptr(p))%unit != 0 {
				t.Errorf("%p is not aligned to a page", p)
			}
			b := space.BytesAt(p, size)
			if slices.ContainsFunc(b, func(c byte) bool { return c != 0 }) {
				t.Error("not zeroed")
			}
			for i := range b {
				b[i] = 0xaa // all of it can be written
			}
			want := PurposeUsage{size, size, tt.pieces, min(size, chunk), size}
			if got := l.Snapshot().Of(PurposeKV); got != want {
				t.Errorf("the ledger says %+v, want %+v", got, want)
			}
			if largest > chunk {
				t.Errorf("%d bytes were committed at once", largest)
			}
			if a.Bytes() != size {
				t.Errorf("%d bytes are in blocks, want %d", a.Bytes(), size)
			}
			a.TagBlock(p, PurposeCompute)
			if got := l.Snapshot(); got.Of(PurposeKV).Current != 0 || got.Of(PurposeCompute) != want || got.Total != want {
				t.Errorf("after another tag %+v", got)
			}
			a.FreeBlock(p)
			sys.NothingLeft(t)
			ledgerEmpty(t, &l)
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBlockOfTheBlockSizeTakesNoMoreAddressesThanAChunk(t *testing.T) {
	for _, chunk := range []uint64{1, space.Granularity(), 64 * spacetest.KiB, 1 * spacetest.MiB, 16 * spacetest.MiB, 256 * spacetest.MiB} {
		a := NewArena(ArenaOptions{ChunkSize: chunk})
		n := uint64(a.BlockSize())
		if n == 0 || n%space.Granularity() != 0 || n > space.RoundUp(chunk) {
			t.Errorf("chunks of %d: blocks of %d", chunk, n)
		}
		if chunk >= 16*space.Granularity() && n+space.Guards() > chunk {
			t.Errorf("chunks of %d: blocks of %d and their guards are larger", chunk, n)
		}
	}
}

func TestNeighboursAreSeparate(t *testing.T) {
	a := NewArena(ArenaOptions{ChunkSize: 1 * spacetest.MiB})
	defer a.Close()
	type block struct{ begin, end uintptr }
	var blocks []block
	for i := range uintptr(200) {
		size := (i%5 + 1) * uintptr(space.Granularity())
		p, err := a.AllocBlock(PurposeKV, size)
		if err != nil {
			t.Fatal(err)
		}
		blocks = append(blocks, block{uintptr(p), uintptr(p) + size})
	}
	slices.SortFunc(blocks, func(x, y block) int { return int(x.begin) - int(y.begin) })
	for i := 1; i < len(blocks); i++ {
		if blocks[i].begin < blocks[i-1].end+uintptr(space.Guards()/2) {
			t.Fatalf("no guard between %#x and %#x", blocks[i-1].end, blocks[i].begin)
		}
	}
}

func TestRefusals(t *testing.T) {
	const chunk = 64 * spacetest.KiB
	isCommit := func(what string) bool { return what == "commit" }
	for _, tt := range []struct {
		name   string
		retry  time.Duration
		refuse func(what string, n int, size uint64) bool
		ok     bool
		tries  int // requests in all, 0 for any number
	}{
		{"everything is granted", 0, func(string, int, uint64) bool { return false }, true, 5},
		{"all requests are refused", -1, func(string, int, uint64) bool { return true }, false, 1},
		{"addresses are refused at once", time.Hour, func(what string, _ int, _ uint64) bool { return what == "reserve" }, false, 1},
		{"all memory is refused", -1, func(what string, _ int, _ uint64) bool { return isCommit(what) }, false, 2},
		{"the first piece is refused", -1, func(_ string, n int, _ uint64) bool { return n == 1 }, false, 2},
		{"the last piece is refused", -1, func(_ string, n int, _ uint64) bool { return n == 4 }, false, 5},
		{"pieces over a size are refused, and ours are not", -1, func(what string, _ int, size uint64) bool { return isCommit(what) && size > chunk }, true, 5},
		{"pieces of our size are refused", -1, func(what string, _ int, size uint64) bool { return isCommit(what) && size >= chunk }, false, 2},
		{"a piece is granted when asked again", 0, func(_ string, n int, _ uint64) bool { return n == 2 }, true, 6},
		{"a piece is granted when asked for the fifth time", 0, func(_ string, n int, _ uint64) bool { return n >= 2 && n < 6 }, true, 9},
		{"waiting ends", 0, func(_ string, n int, _ uint64) bool { return n >= 2 }, false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var l Ledger
			sys := spacetest.NewRefusing(tt.refuse)
			a, waits := arenaOf(sys, ArenaOptions{ChunkSize: chunk, Ledger: &l, Retry: tt.retry})
			defer a.Close()
			p, err := a.AllocBlock(PurposeKV, 4*chunk)
			if tt.tries > 0 && sys.Requests != tt.tries {
				t.Errorf("%d requests, want %d", sys.Requests, tt.tries)
			}
			var waited time.Duration
			for _, w := range *waits {
				waited += w
			}
			if waited > 2*time.Second || tt.retry < 0 && waited > 0 {
				t.Errorf("waited %v", waited)
			}
			if tt.ok {
				if err != nil {
					t.Fatal(err)
				}
				space.BytesAt(p, 4*chunk)[4*chunk-1] = 1
				return
			}
			if waited != 2*time.Second && tt.name == "waiting ends" {
				t.Errorf("gave up after %v, want 2s", waited)
			}
			var e *Error
			if !errors.As(err, &e) || !errors.Is(err, ErrInsufficientMemory) || !errors.Is(err, spacetest.ErrRefused) {
				t.Fatalf("%v, want a *MemoryError around the system's", err)
			}
			if e.Purpose != PurposeKV || e.Requested == 0 || len(e.Remedies) == 0 {
				t.Errorf("%+v", e)
			}
			sys.NothingLeft(t)
			ledgerEmpty(t, &l)

			// A refused request does not affect later ones.
			sys.Refuse = nil
			if _, err := a.AllocBlock(PurposeKV, 4*chunk); err != nil {
				t.Error(err)
			}
		})
	}
}

// Whichever request is refused, nothing stays allocated and older blocks still work.
func TestRefusalOfEveryRequestInTurn(t *testing.T) {
	const chunk = 64 * spacetest.KiB
	script := func(a *Arena) (ps []unsafe.Pointer, err error) {
		for i, size := range []uintptr{1, chunk, chunk + 1, 3 * chunk, 10 * chunk} {
			p, err := a.AllocBlock(anyPurpose(i), size)
			if err != nil {
				return ps, err
			}
			space.BytesAt(p, uint64(size))[size-1] = byte(i + 1)
			ps = append(ps, p)
		}
		return ps, nil
	}
	for k := 0; ; k++ {
		var l Ledger
		sys := spacetest.NewRefusing(func(_ string, n int, _ uint64) bool { return n == k })
		a, _ := arenaOf(sys, ArenaOptions{ChunkSize: chunk, Ledger: &l, Retry: -1})
		ps, err := script(a)
		if err != nil && !errors.Is(err, ErrInsufficientMemory) {
			t.Fatalf("request %d refused: %v", k, err)
		}
		if len(sys.Live) != len(ps) {
			t.Fatalf("request %d refused: %d blocks were given, %d reservations are there", k, len(ps), len(sys.Live))
		}
		for i, p := range ps {
			size := []uint64{1, chunk, chunk + 1, 3 * chunk, 10 * chunk}[i]
			if space.BytesAt(p, size)[size-1] != byte(i+1) {
				t.Fatalf("request %d refused: block %d has changed", k, i)
			}
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		sys.NothingLeft(t)
		ledgerEmpty(t, &l)
		if err == nil {
			if k < 20 {
				t.Errorf("only %d requests were made", k)
			}
			return
		}
	}
}

func TestRangeIsBounded(t *testing.T) {
	var l Ledger
	sys := spacetest.NewRefusing(nil)
	a, _ := arenaOf(sys, ArenaOptions{ChunkSize: 64 * spacetest.KiB, MaxRange: 1 * spacetest.MiB, Ledger: &l})
	if _, err := a.AllocBlock(PurposeKV, 1*spacetest.MiB); err != nil {
		t.Errorf("the bound itself: %v", err)
	}
	_, err := a.AllocBlock(PurposeKV, 1*spacetest.MiB+1)
	var e *RangeError
	if !errors.As(err, &e) || e.Limit != 1*spacetest.MiB || e.Requested != space.RoundUp(1*spacetest.MiB+1) || e.Purpose != PurposeKV {
		t.Errorf("a byte more: %v", err)
	}
	a.Close()
	sys.NothingLeft(t)
	ledgerEmpty(t, &l)
}

func TestBlocksLargerThanTheAddressSpaceAreRefused(t *testing.T) {
	a := NewArena(ArenaOptions{ChunkSize: 1 * spacetest.MiB, Retry: -1})
	defer a.Close()
	for _, size := range []uintptr{math.MaxUint, math.MaxUint - 4095, 1 << 63, 1<<62 + 1, 1 << 62, 1 << 48} {
		_, err := a.AllocBlock(PurposeKV, size)
		var e *Error
		if !errors.As(err, &e) || e.Requested < uint64(size) || e.Limit != probe.LimitHole {
			t.Errorf("%#x: %v", size, err)
		}
	}
}

func TestWhatIsNotABlockIsIgnored(t *testing.T) {
	var l Ledger
	a := NewArena(ArenaOptions{ChunkSize: 1 * spacetest.MiB, Ledger: &l})
	p, err := a.AllocBlock(PurposeKV, 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []unsafe.Pointer{nil, unsafe.Pointer(&l), space.At(p, 8)} {
		a.FreeBlock(q)
		a.TagBlock(q, PurposeOutput)
	}
	if got := l.Snapshot().Of(PurposeKV).Count; got != 1 {
		t.Errorf("%d blocks, want the one", got)
	}
	a.FreeBlock(p)
	a.FreeBlock(p)
	a.TagBlock(p, PurposeOutput)
	ledgerEmpty(t, &l)
}

func TestClosedArena(t *testing.T) {
	var l Ledger
	sys := spacetest.NewRefusing(nil)
	a, _ := arenaOf(sys, ArenaOptions{ChunkSize: 64 * spacetest.KiB, Ledger: &l})
	p, err := a.AllocBlock(PurposeKV, 1*spacetest.MiB)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
	sys.NothingLeft(t)
	ledgerEmpty(t, &l)
	a.FreeBlock(p)
	a.TagBlock(p, PurposeOutput)
	if _, err := a.AllocBlock(PurposeKV, 1); !errors.Is(err, files.ErrClosed) {
		t.Errorf("a block of a closed arena: %v", err)
	}
	if a.Bytes() != 0 {
		t.Error("a closed arena has blocks")
	}
}

func TestClosingEndsTheWaitForMemory(t *testing.T) {
	var l Ledger
	sys := spacetest.NewRefusing(func(what string, _ int, _ uint64) bool { return what == "commit" })
	a := NewArena(ArenaOptions{ChunkSize: 64 * spacetest.KiB, Ledger: &l, Retry: time.Hour})
	a.sys = sys
	a.sleep = func(time.Duration) { a.Close() }
	if _, err := a.AllocBlock(PurposeKV, 1); !errors.Is(err, files.ErrClosed) {
		t.Error(err)
	}
	sys.NothingLeft(t)
	ledgerEmpty(t, &l)
}

func TestArenaIsUsedByManyAtOnce(t *testing.T) {
	var l Ledger
	sys := spacetest.NewRefusing(func(_ string, n int, _ uint64) bool { return n%17 == 0 })
	a := NewArena(ArenaOptions{ChunkSize: 64 * spacetest.KiB, Ledger: &l, Retry: -1})
	a.sys = sys
	var wg sync.WaitGroup
	shared := make(chan unsafe.Pointer, 64)
	for i := range 8 {
		wg.Go(func() {
			for j := range 100 {
				p, err := a.AllocBlock(anyPurpose(i), uintptr(1+(i*j)%7*20000))
				if err != nil {
					if !errors.Is(err, ErrInsufficientMemory) {
						t.Error(err)
					}
					continue
				}
				*(*byte)(p) = 1
				a.TagBlock(p, anyPurpose(j))
				select {
				case shared <- p: // for another to free, or for two at once
				case q := <-shared:
					a.FreeBlock(q)
					a.FreeBlock(p)
				}
				a.Bytes()
				l.Snapshot()
			}
		})
	}
	wg.Wait()
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	sys.NothingLeft(t)
	ledgerEmpty(t, &l)
}

func ExampleArena() {
	var ledger Ledger
	arena := NewArena(ArenaOptions{ChunkSize: 1 << 20, Ledger: &ledger})
	defer arena.Close()
	block, err := arena.AllocBlock(PurposeKV, 3<<20)
	if err != nil {
		fmt.Println(err) // an *Error says which limit refused, and what would help
		return
	}
	defer arena.FreeBlock(block)
	kv := ledger.Snapshot().Of(PurposeKV)
	fmt.Println(words.Size(kv.Current), "in", kv.Count, "commits of at most", words.Size(kv.LargestAllocation))
	// Output: 3.0 MiB in 3 commits of at most 1.0 MiB
}

func ledgerEmpty(t *testing.T, l *Ledger) {
	t.Helper()
	u := l.Snapshot()
	for p, u := range append(u.Purposes[:], u.Total) {
		if u.Current != 0 || u.Count != 0 {
			t.Errorf("the ledger still has %d bytes in %d pieces for %v", u.Current, u.Count, Purpose(p))
		}
	}
}

func BenchmarkAllocBlock(b *testing.B) {
	a := NewArena(ArenaOptions{ChunkSize: 1 * spacetest.MiB, Ledger: new(Ledger)})
	defer a.Close()
	for _, size := range []uintptr{4096, 1 * spacetest.MiB, 64 * spacetest.MiB} {
		b.Run(words.Size(uint64(size)), func(b *testing.B) {
			for b.Loop() {
				p, err := a.AllocBlock(PurposeKV, size)
				if err != nil {
					b.Fatal(err)
				}
				a.FreeBlock(p)
			}
		})
	}
}
