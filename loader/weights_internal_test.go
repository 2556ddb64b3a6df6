package loader

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/internal/modeltest"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/internal/spacetest"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
)

// models are what the tests of this file load: with tensors smaller and larger than
// their chunks, whole and in shards.
var shapes = []struct {
	name   string
	shards [][]uint64
}{
	{"one small tensor", [][]uint64{{1}}},
	{"tensors smaller than a chunk", [][]uint64{{100, 30000, 32, 5000, 40000, 20001, 7}}},
	{"a tensor larger than a chunk between small ones", [][]uint64{{100, 3*spacetest.MiB + 5, 777, 1 * spacetest.MiB, 1}}},
	{"three shards", [][]uint64{{100, 70000, 9}, {2 * spacetest.MiB, 5}, {12345}}},
}

var chunkSizes = []uint64{1, 64 * spacetest.KiB, 1 * spacetest.MiB, 256 * spacetest.MiB}

// eachShape runs a test for all shapes and chunk sizes.
func eachShape(t *testing.T, test func(t *testing.T, ix *gguf.Index, plan *Plan)) {
	for _, s := range shapes {
		for _, chunk := range chunkSizes {
			t.Run(fmt.Sprintf("%s in chunks of %s", s.name, words.Size(chunk)), func(t *testing.T) {
				ix := modeltest.Model(t, s.shards...)
				test(t, ix, mustPlan(t, ix, chunk))
			})
		}
	}
}

// progressOf records progress and checks that it is as promised.
type progressOf struct {
	t     *testing.T
	mu    sync.Mutex
	done  uint64
	calls int
	total int
}

func (p *progressOf) report(done, total uint64) {
	if !p.mu.TryLock() {
		p.t.Error("progress is told by two at once")
		return
	}
	defer p.mu.Unlock()
	if done < p.done || done > total {
		p.t.Errorf("progress went from %d to %d of %d", p.done, done, total)
	}
	p.done = done
	p.calls++
	if done == total {
		p.total++
	}
}

func (p *progressOf) finished(total uint64) {
	p.t.Helper()
	if p.done != total || p.total != 1 {
		p.t.Errorf("progress ended at %d of %d, and was complete %d times", p.done, total, p.total)
	}
}

// checkUsage compares a ledger with a plan that was carried out.
func checkUsage(t *testing.T, u memory.PurposeUsage, plan *Plan, pieces int) {
	t.Helper()
	var bytes uint64
	for _, c := range plan.Chunks {
		bytes += c.Size
	}
	want := memory.PurposeUsage{Current: bytes, Peak: bytes, Count: pieces, LargestAllocation: plan.LargestChunk, LargestRange: plan.LargestRange}
	if u != want {
		t.Errorf("the ledger says %+v, the plan %+v", u, want)
	}
}

func TestMappedWeightsAreTheFiles(t *testing.T) {
	for _, ahead := range []bool{false, true} {
		t.Run(fmt.Sprintf("prefetch %v", ahead), func(t *testing.T) {
			eachShape(t, func(t *testing.T, ix *gguf.Index, plan *Plan) {
				var l memory.Ledger
				sys := spacetest.NewRefusing(nil)
				defer spacetest.Use(sys)()
				progress := progressOf{t: t}
				w, err := MapWeights(t.Context(), ix, plan, MapOptions{Ledger: &l, Prefetch: ahead, Progress: progress.report})
				if err != nil {
					t.Fatal(err)
				}
				checkContent(t, ix, w)
				checkUsage(t, l.Snapshot().Of(memory.PurposeWeights), plan, len(plan.Chunks))
				progress.finished(plan.Bytes)
				if w.Chunks() != len(plan.Chunks) {
					t.Errorf("%d chunks, planned %d", w.Chunks(), len(plan.Chunks))
				}
				ix.Close() // mappings do not need the files
				checkContent(t, ix, w)
				for range 2 {
					if err := w.Close(); err != nil {
						t.Error(err)
					}
				}
				sys.NothingLeft(t)
				nothingCounted(t, &l)
				if _, _, ok := w.TensorData("t0"); ok {
					t.Error("closed weights have data")
				}
			})
		})
	}
}

func TestCopiedWeightsAreTheFiles(t *testing.T) {
	eachShape(t, func(t *testing.T, ix *gguf.Index, plan *Plan) {
		var l memory.Ledger
		sys := spacetest.NewRefusing(nil)
		defer spacetest.Use(sys)()
		a := memory.NewArena(memory.ArenaOptions{ChunkSize: plan.ChunkSize, Ledger: &l})
		progress := progressOf{t: t}
		w, err := CopyWeights(t.Context(), ix, plan, CopyOptions{Arena: a, Progress: progress.report})
		if err != nil {
			t.Fatal(err)
		}
		checkContent(t, ix, w)
		checkUsage(t, l.Snapshot().Of(memory.PurposeWeights), plan, len(plan.Chunks))
		progress.finished(plan.Bytes)
		for range 2 {
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		}
		sys.NothingLeft(t)
		nothingCounted(t, &l)
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestCopiedWeightsWithoutAnArenaHaveTheirOwn(t *testing.T) {
	ix := modeltest.Model(t, []uint64{100, 100000})
	var l memory.Ledger
	w, err := CopyWeights(t.Context(), ix, mustPlan(t, ix, 64*spacetest.KiB), CopyOptions{Ledger: &l})
	if err != nil {
		t.Fatal(err)
	}
	checkContent(t, ix, w)
	if l.Snapshot().Of(memory.PurposeWeights).Current == 0 {
		t.Error("the ledger has nothing")
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	nothingCounted(t, &l)
}

// A transformation that inverts all bits stands for repacking.
func TestTransformedTensors(t *testing.T) {
	for _, every := range []int{1, 2, 3} {
		t.Run(fmt.Sprintf("one of %d", every), func(t *testing.T) {
			eachShape(t, func(t *testing.T, ix *gguf.Index, plan *Plan) {
				var l memory.Ledger
				sys := spacetest.NewRefusing(nil)
				defer spacetest.Use(sys)()
				a := memory.NewArena(memory.ArenaOptions{ChunkSize: plan.ChunkSize, Ledger: &l})
				defer a.Close()
				special := map[string]bool{}
				for i, tensor := range ix.Tensors() {
					special[tensor.Name] = i%every == 0
				}
				progress := progressOf{t: t}
				var done []string
				w, err := CopyWeights(t.Context(), ix, plan, CopyOptions{
					Arena: a, Ledger: &l, Progress: progress.report,
					Transforms: func(name string) bool { return special[name] },
					Transform: func(tensor gguf.Tensor, dst, src unsafe.Pointer) error {
						to := space.BytesAt(dst, tensor.Size)
						for i, b := range space.BytesAt(src, tensor.Size) {
							to[i] = ^b
						}
						done = append(done, tensor.Name)
						return nil
					},
				})
				if err != nil {
					t.Fatal(err)
				}
				defer w.Close()
				n := 0
				for i, tensor := range ix.Tensors() {
					p, size, _ := w.TensorData(tensor.Name)
					for off, b := range space.BytesAt(p, size) {
						if special[tensor.Name] {
							b = ^b
						}
						if b != modeltest.Content(i, uint64(off)) {
							t.Fatalf("%s differs at byte %d", tensor.Name, off)
						}
					}
					if special[tensor.Name] {
						n++
					}
				}
				if len(done) != n {
					t.Errorf("%v were transformed, want %d", done, n)
				}
				progress.finished(plan.Bytes)
				u := l.Snapshot()
				checkUsage(t, u.Of(memory.PurposeWeights), plan, len(plan.Chunks))
				staging := u.Of(memory.PurposeStaging)
				if staging.Current != 0 || staging.Count != 0 || staging.Peak == 0 {
					t.Errorf("staging %+v", staging)
				}
				if staging.Peak > plan.LargestRange || staging.LargestAllocation > plan.ChunkSize {
					t.Errorf("staging %+v: more than one source at a time, or one that is not in chunks", staging)
				}
			})
		})
	}
}

// load is one way to load weights, for tests that hold for all ways.
type load struct {
	name string
	load func(ctx context.Context, ix *gguf.Index, plan *Plan, sys space.System, l *memory.Ledger, progress files.Progress) (*Weights, error)
}

func noTransform(gguf.Tensor, unsafe.Pointer, unsafe.Pointer) error { return nil }

var loads = []load{
	{"mapped", func(ctx context.Context, ix *gguf.Index, plan *Plan, sys space.System, l *memory.Ledger, progress files.Progress) (*Weights, error) {
		defer spacetest.Use(sys)()
		return MapWeights(ctx, ix, plan, MapOptions{Ledger: l, Progress: progress})
	}},
	{"mapped and prefetched", func(ctx context.Context, ix *gguf.Index, plan *Plan, sys space.System, l *memory.Ledger, progress files.Progress) (*Weights, error) {
		defer spacetest.Use(sys)()
		return MapWeights(ctx, ix, plan, MapOptions{Ledger: l, Progress: progress, Prefetch: true})
	}},
	{"copied", func(ctx context.Context, ix *gguf.Index, plan *Plan, sys space.System, l *memory.Ledger, progress files.Progress) (*Weights, error) {
		defer spacetest.Use(sys)()
		a := memory.NewArena(memory.ArenaOptions{ChunkSize: plan.ChunkSize, Ledger: l, Retry: -1})
		return CopyWeights(ctx, ix, plan, CopyOptions{Arena: a, Ledger: l, Progress: progress})
	}},
	{"transformed", func(ctx context.Context, ix *gguf.Index, plan *Plan, sys space.System, l *memory.Ledger, progress files.Progress) (*Weights, error) {
		defer spacetest.Use(sys)()
		a := memory.NewArena(memory.ArenaOptions{ChunkSize: plan.ChunkSize, Ledger: l, Retry: -1})
		return CopyWeights(ctx, ix, plan, CopyOptions{Arena: a, Ledger: l, Progress: progress,
			Transforms: func(name string) bool { return name != "t0" }, Transform: noTransform})
	}},
}

// eachLoad runs a test for all ways to load.
func eachLoad(t *testing.T, test func(t *testing.T, way load)) {
	for _, way := range loads {
		t.Run(way.name, func(t *testing.T) { test(t, way) })
	}
}

func TestCancelledAtAnyProgressLeavesNothing(t *testing.T) {
	eachLoad(t, func(t *testing.T, way load) {
		ix := modeltest.Model(t, []uint64{100, 9 * spacetest.MiB, 200000, 70000}, []uint64{500000})
		for at := 0; ; at++ {
			ctx, cancel := context.WithCancel(t.Context())
			if at == 0 {
				cancel()
			}
			calls := 0
			var l memory.Ledger
			sys := spacetest.NewRefusing(nil)
			w, err := way.load(ctx, ix, mustPlan(t, ix, 256*spacetest.KiB), sys, &l, func(uint64, uint64) {
				if calls++; calls == at {
					cancel()
				}
			})
			cancel()
			if at > calls {
				if err != nil {
					t.Fatal(err)
				}
				w.Close()
				if at < 3 {
					t.Errorf("only %d times to cancel", at)
				}
				return
			}
			if !errors.Is(err, context.Canceled) || w != nil {
				t.Fatalf("cancelled at call %d: %v, %v", at, w, err)
			}
			sys.NothingLeft(t)
			nothingCounted(t, &l)
		}
	})
}

func TestRefusalOfEveryRequestOfALoad(t *testing.T) {
	eachLoad(t, func(t *testing.T, way load) {
		ix := modeltest.Model(t, []uint64{100, 400000, 70000})
		plan := mustPlan(t, ix, 64*spacetest.KiB)
		for k := 0; ; k++ {
			var l memory.Ledger
			sys := spacetest.NewRefusing(func(_ string, n int, _ uint64) bool { return n == k })
			w, err := way.load(t.Context(), ix, plan, sys, &l, nil)
			if err == nil {
				checkUsage(t, l.Snapshot().Of(memory.PurposeWeights), plan, len(plan.Chunks))
				w.Close()
				if k < len(plan.Chunks) {
					t.Errorf("only %d requests", k)
				}
				return
			}
			if !errors.Is(err, spacetest.ErrRefused) {
				t.Fatalf("request %d: %v", k, err)
			}
			sys.NothingLeft(t)
			nothingCounted(t, &l)
		}
	})
}

func TestFilesThatChange(t *testing.T) {
	changes := []struct {
		name   string
		change func(t *testing.T, path string) (refused error)
	}{
		{"cut short", func(t *testing.T, path string) error { return modeltest.Truncate(t, path, 100000) }},
		{"emptied", func(t *testing.T, path string) error { return modeltest.Truncate(t, path, 0) }},
		{"grown", func(t *testing.T, path string) error { return modeltest.Truncate(t, path, 10*spacetest.MiB) }},
		{"written to", func(t *testing.T, path string) error {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			spacetest.Must(t, err)
			_, err = f.WriteAt([]byte{1}, 100000)
			spacetest.Must(t, errors.Join(err, f.Close()))
			later := time.Now().Add(time.Hour) // however coarse the file system's clock is
			spacetest.Must(t, os.Chtimes(path, later, later))
			return nil
		}},
	}
	eachLoad(t, func(t *testing.T, way load) {
		for _, tt := range changes {
			for _, when := range []string{"before", "while"} {
				t.Run(tt.name+" "+when+" loading", func(t *testing.T) {
					ix := modeltest.Model(t, []uint64{100, 400000, 70000, 500000})
					plan := mustPlan(t, ix, 64*spacetest.KiB)
					if when == "before" {
						spacetest.Must(t, tt.change(t, ix.Path()))
					}
					changed := false
					var refused error
					var l memory.Ledger
					sys := spacetest.NewRefusing(nil)
					w, err := way.load(t.Context(), ix, plan, sys, &l, func(uint64, uint64) {
						if when == "while" && !changed {
							changed = true
							refused = tt.change(t, ix.Path())
						}
					})
					if refused != nil {
						if w != nil {
							spacetest.Must(t, w.Close())
						}
						t.Skip(refused)
					}
					if !errors.Is(err, files.ErrFileChanged) || w != nil {
						t.Errorf("%v, want ErrFileChanged", err)
					}
					sys.NothingLeft(t)
					nothingCounted(t, &l)
				})
			}
		}
	})
}

// If the file is replaced after it was validated, the validated file is loaded.
func TestReplacedFileDoesNotMatter(t *testing.T) {
	eachLoad(t, func(t *testing.T, way load) {
		ix := modeltest.Model(t, []uint64{100, 400000})
		other := ix.Path() + ".new"
		spacetest.Must(t, os.WriteFile(other, []byte("something else"), 0o600))
		if err := os.Rename(other, ix.Path()); err != nil {
			t.Skip("files in use can't be replaced here:", err)
		}
		var l memory.Ledger
		w, err := way.load(t.Context(), ix, mustPlan(t, ix, 64*spacetest.KiB), space.RealSystem, &l, nil)
		spacetest.Must(t, err)
		if way.name != "transformed" {
			checkContent(t, ix, w)
		}
		spacetest.Must(t, w.Close())
	})
}

func TestClosedIndexAndForeignPlansAreRefused(t *testing.T) {
	eachLoad(t, func(t *testing.T, way load) {
		one, two := modeltest.Model(t, []uint64{100}), modeltest.Model(t, []uint64{100}, []uint64{100})
		var l memory.Ledger
		if _, err := way.load(t.Context(), one, mustPlan(t, two, 0), space.RealSystem, &l, nil); err == nil {
			t.Error("another model's plan is carried out")
		}
		plan := mustPlan(t, one, 0)
		one.Close()
		if _, err := way.load(t.Context(), one, plan, space.RealSystem, &l, nil); !errors.Is(err, files.ErrClosed) {
			t.Errorf("a closed index: %v", err)
		}
		nothingCounted(t, &l)
	})
}

func TestFailedTransformationEndsTheLoad(t *testing.T) {
	ix := modeltest.Model(t, []uint64{100, 400000, 100})
	failure := errors.New("it would not fit")
	var l memory.Ledger
	sys := spacetest.NewRefusing(nil)
	defer spacetest.Use(sys)()
	a := memory.NewArena(memory.ArenaOptions{ChunkSize: 64 * spacetest.KiB, Ledger: &l})
	_, err := CopyWeights(t.Context(), ix, mustPlan(t, ix, 64*spacetest.KiB), CopyOptions{
		Arena: a, Ledger: &l, Transforms: func(string) bool { return true },
		Transform: func(tensor gguf.Tensor, _, _ unsafe.Pointer) error {
			if tensor.Name == "t1" {
				return failure
			}
			return nil
		},
	})
	if !errors.Is(err, failure) {
		t.Error(err)
	}
	sys.NothingLeft(t)
	nothingCounted(t, &l)
}

func TestPiecesCoverThePlainTensors(t *testing.T) {
	tensors := layout(96, nil, 32, 64, 10, readSize+100, 32, readSize, 5)
	c := copier{o: CopyOptions{Transforms: func(name string) bool { return name == "t4" }}}
	a := memory.NewArena(memory.ArenaOptions{ChunkSize: 1})
	defer a.Close()
	base, err := a.AllocBlock(memory.PurposeWeights, 1) // the address is not dereferenced
	spacetest.Must(t, err)
	r := Range{Tensors: tensors}
	w := &Weights{data: map[string]tensorData{}}
	w.record(r, base, nil)
	plain, special := c.split(r, w)
	if len(special) != 1 || special[0].Name != "t4" {
		t.Errorf("to be transformed: %v", special)
	}
	var got, want [][2]int64 // the bytes from an offset to another one
	add := func(list [][2]int64, from, to int64) [][2]int64 {
		if n := len(list); n > 0 && list[n-1][1] == from {
			list[n-1][1] = to
			return list
		}
		return append(list, [2]int64{from, to})
	}
	for _, p := range plain {
		if p.dst != space.At(base, uint64(p.offset)) {
			t.Errorf("the piece at %d goes to %p", p.offset, p.dst)
		}
		if p.size == 0 || p.size > readSize {
			t.Errorf("piece of %d bytes", p.size)
		}
		got = add(got, p.offset, p.offset+int64(p.size))
	}
	for _, x := range tensors {
		if x.Name != "t4" && x.Size > 0 {
			want = add(want, x.Offset, x.Offset+int64(x.Size))
		}
	}
	if !slices.Equal(got, want) {
		t.Error("the pieces are not the tensors")
	}
	if first := plain[0]; first.tensor != "t0" || first.size != 32+64+10 {
		t.Errorf("small neighbours are not read together: %+v", first)
	}
}

func TestLoadingOftenTakesNoMoreMemory(t *testing.T) {
	memtest.WithoutRace(t)
	ix := modeltest.Model(t, []uint64{100, 400000, 70000, 500000})
	plan := mustPlan(t, ix, 64*spacetest.KiB)
	for _, way := range loads {
		t.Run(way.name, func(t *testing.T) {
			n := 1000
			if testing.Short() {
				n = 100
			}
			var l memory.Ledger
			cycle := func() {
				w, err := way.load(t.Context(), ix, plan, space.RealSystem, &l, nil)
				spacetest.Must(t, err)
				spacetest.Must(t, w.Close())
			}
			for range 20 {
				cycle()
			}
			debug.FreeOSMemory() // garbage must not be measured
			before, err := probe.ProcessMemory()
			spacetest.Must(t, err)
			for range n {
				cycle()
			}
			debug.FreeOSMemory()
			after, err := probe.ProcessMemory()
			spacetest.Must(t, err)
			nothingCounted(t, &l)
			if grown := int64(after.RSS) - int64(before.RSS); grown > 64*spacetest.MiB {
				t.Errorf("%d loads of 1 MB took %d bytes", n, grown)
			}
		})
	}
}

// checkContent compares all tensors with what testModel wrote.
func checkContent(t *testing.T, ix *gguf.Index, w *Weights) {
	t.Helper()
	for i, tensor := range ix.Tensors() {
		p, size, ok := w.TensorData(tensor.Name)
		if !ok || size != tensor.Size {
			t.Fatalf("%s: %d bytes (%v), want %d", tensor.Name, size, ok, tensor.Size)
		}
		want := make([]byte, size)
		for off := range want {
			want[off] = modeltest.Content(i, uint64(off))
		}
		if !slices.Equal(space.BytesAt(p, size), want) {
			t.Fatalf("%s: not what is in the file", tensor.Name)
		}
		if got, want := uint64(uintptr(p))%space.Granularity(), uint64(tensor.Offset)%space.Granularity(); got != want {
			t.Errorf("%s lies %d bytes into a page, in the file %d", tensor.Name, got, want)
		}
	}
}

// mustPlan plans in chunks of some size.
func mustPlan(t testing.TB, ix *gguf.Index, chunk uint64) *Plan {
	t.Helper()
	p, err := NewPlan(ix, PlanOptions{ChunkSize: chunk})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestWeightsAreCopiedIntoAPool(t *testing.T) {
	ix := modeltest.Model(t, []uint64{100, 300 * spacetest.KiB, 70 * spacetest.KiB, 1*spacetest.MiB + 5, 33})
	plan := mustPlan(t, ix, 256*spacetest.KiB)
	var l memory.Ledger
	sys := spacetest.NewRefusing(nil)
	defer spacetest.Use(sys)()
	p, err := memory.NewPool(4*spacetest.MiB, memory.PoolOptions{SegmentSize: 256 * spacetest.KiB, Ledger: &l})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	a := memory.NewArena(memory.ArenaOptions{ChunkSize: plan.ChunkSize, Pool: p, Ledger: &l})
	requests, advice := sys.Requests, sys.Advice
	for range 3 { // the second time over what the first has left
		w, err := CopyWeights(t.Context(), ix, plan, CopyOptions{Arena: a, Ledger: &l})
		if err != nil {
			t.Fatal(err)
		}
		checkContent(t, ix, w)
		for _, tensor := range ix.Tensors() {
			q, size, _ := w.TensorData(tensor.Name)
			if size > 0 && !sys.Reserved(q, size) {
				t.Errorf("%s is not in the pool", tensor.Name)
			}
		}
		s, u := p.Stats(), l.Snapshot()
		if s.Used != u.Of(memory.PurposeWeights).Current || s.Used < plan.Bytes || s.Blocks == 0 || u.Total.Current != 4*spacetest.MiB {
			t.Errorf("%+v, the ledger says %+v", s, u)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if s := p.Stats(); s.LargestFree != s.Size {
			t.Errorf("closed: %+v", s)
		}
	}
	if sys.Requests != requests || sys.Advice != advice {
		t.Errorf("%d requests to the system, %d times advice", sys.Requests-requests, sys.Advice-advice)
	}
	tight, err := memory.NewPool(1*spacetest.MiB, memory.PoolOptions{SegmentSize: 256 * spacetest.KiB})
	if err != nil {
		t.Fatal(err)
	}
	defer tight.Close()
	var e *memory.Error
	if _, err := CopyWeights(t.Context(), ix, plan, CopyOptions{Arena: memory.NewArena(memory.ArenaOptions{Pool: tight})}); !errors.As(err, &e) || e.Limit != probe.LimitPool {
		t.Errorf("into a pool that is too small: %v", err)
	}
	if s := tight.Stats(); s.Used != 0 || s.Holes != 1 {
		t.Errorf("left behind: %+v", s)
	}
}

// nothingCounted fails where a ledger still has something.
func nothingCounted(t *testing.T, l *memory.Ledger) {
	t.Helper()
	if u := l.Snapshot().Total; u.Current != 0 || u.Count != 0 {
		t.Errorf("the ledger still has %d bytes in %d pieces", u.Current, u.Count)
	}
}
