package residency

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/internal/modeltest"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/internal/spacetest"
	"github.com/seed7adf6694/infer/loader/memory"
)

func TestLayersByName(t *testing.T) {
	for name, want := range map[string]int{
		"blk.0.attn_q.weight": 0, "blk.17.ffn_down.weight": 17, "blk.511.x": 511,
		"output.weight": -1, "token_embd.weight": -1, "blk.x.attn": -1, "blk.": -1, "blk.3": -1, "enc.blk.0.attn_q.weight": -1, "blk.-1.x": -1, "blk.99999999999999999999.x": -1,
	} {
		if got := layerOf(name); got != want {
			t.Errorf("%q: %d, want %d", name, got, want)
		}
	}
	for name, want := range map[string]bool{"token_embd.weight": true, "blk.0.ffn_up_exps.weight": true, "blk.0.ffn_up_exps.bias": false, "blk.0.ffn_up_shexp.weight": false, "output.weight": false} {
		if got := isSparse(name, false); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
	if isSparse("token_embd.weight", true) {
		t.Error("embeddings that are the output head are used whole")
	}
}

// scaled converts a size for mapping granularity 4 KiB to this system's granularity, so that
// tensors span the same number of pages.
func scaled(n uint64) uint64 { return n * (space.Granularity() / 4096) }

// layeredModel is a model of layers of three tensors each, of 300 KB together, with
// embeddings and an output head.
func layeredModel(t *testing.T, layers int) (*gguf.Index, *loader.Plan, *loader.Weights) {
	t.Helper()
	names := []string{"token_embd.weight", "output.weight", "output_norm.weight"}
	sizes := []uint64{100000, 200000, 1000}
	for n := range layers {
		for i, size := range []uint64{50000, 170000, 80000} {
			names = append(names, fmt.Sprintf("blk.%d.t%d.weight", n, i))
			sizes = append(sizes, size)
		}
	}
	for i := range sizes {
		sizes[i] = scaled(sizes[i])
	}
	ix := namedModel(t, names, sizes)
	plan, err := loader.NewPlan(ix, loader.PlanOptions{ChunkSize: scaled(128 * spacetest.KiB)})
	spacetest.Must(t, err)
	w, err := loader.MapWeights(t.Context(), ix, plan, loader.MapOptions{})
	spacetest.Must(t, err)
	t.Cleanup(func() { w.Close() })
	return ix, plan, w
}

func TestBlocksFollowLayers(t *testing.T) {
	_, plan, w := layeredModel(t, 4)
	layers, nonLayer := layersOf(w.TensorData, plan, nil)
	if len(layers) != 4 || nonLayer.maxResident < scaled(200000) || len(nonLayer.sparse) != 1 {
		t.Fatalf("%d layers, outside layers %+v", len(layers), nonLayer)
	}
	for i, l := range layers {
		if l.maxResident < scaled(300000) || l.maxResident > scaled(300000)+8*space.Granularity() {
			t.Errorf("layer %d: %+v", i, l)
		}
		p := l.split(selectionsOf(layers)[0], space.Payload(plan.ChunkSize))
		if len(p.resident) > 0 || sizeOf(p.streamed) != l.maxResident {
			t.Errorf("layer %d, all of it: %+v", i, p)
		}
		tensors := 0
		for _, b := range p.blocks {
			for _, x := range b.tensors {
				if layerOf(x.Name) != i || x.Offset < b.offset || uint64(x.Offset)+x.Size > uint64(b.offset)+b.size {
					t.Errorf("layer %d: %s at %d in a block of %d at %d", i, x.Name, x.Offset, b.size, b.offset)
				}
			}
			tensors += len(b.tensors)
			if b.size > plan.ChunkSize && len(b.tensors) > 1 || b.offset%files.DirectUnit != 0 || b.size%files.DirectUnit != 0 {
				t.Errorf("a block of %d tensors, %d bytes at %d", len(b.tensors), b.size, b.offset)
			}
		}
		if tensors != 3 {
			t.Errorf("layer %d: %d tensors in blocks", i, tensors)
		}
	}
}

// Slots hold only the streamed tensors: a pass reads little more than what does not fit, not
// whole layers.
func TestAsLittleIsStreamedAsFits(t *testing.T) {
	const layers = 8
	_, plan, w := layeredModel(t, layers)
	r, err := residencyOf(t, t.Context(), w, plan, 1<<30)
	spacetest.Must(t, err)
	defer r.Close()
	r.stopCost = 0 // the layers are small
	all := r.current.resident
	for _, missing := range []uint64{1, scaled(30000), scaled(100000), scaled(500000), scaled(900000)} {
		d, err := r.choose(all-missing, minSlots)
		spacetest.Must(t, err)
		read := uint64(0)
		for _, n := range d.streamed {
			read += r.layers[n].split(d.selection, r.maxBlock).readSize()
		}
		if d.resident > all-missing || read < missing {
			t.Errorf("%d bytes missing: %d streamed, %d in memory of %d", missing, read, d.resident, all-missing)
		}
		// With all of a layer streamed or nothing it would be two layers more.
		if whole := ((missing+scaled(300000)-1)/scaled(300000) + 2) * scaled(300000); read >= whole-scaled(100000) {
			t.Errorf("%d bytes missing: %d streamed of layers %v, selection %v", missing, read, d.streamed, d.selection.kinds)
		}
	}
	least := NewPlan(plan, 0, plan.ChunkSize, 0).Least
	for _, budget := range []uint64{least, all - scaled(100000), all} {
		f := NewPlan(plan, budget, plan.ChunkSize, 0)
		s, err := residencyOf(t, t.Context(), w, plan, budget)
		spacetest.Must(t, err)
		if st := s.Stats(); f.Resident != st.Resident || f.Streamed != st.Streamed || f.Private != st.Private || f.Resident > budget || (f.Read == 0) != (budget == all) {
			t.Errorf("planned %+v, got %+v", f, st)
		}
		spacetest.Must(t, s.Close())
	}
	_, err = r.choose(r.nonLayer.maxResident, minSlots)
	var refused *memory.Error
	if !errors.As(err, &refused) {
		t.Fatal(err)
	}
	if _, err := r.choose(refused.Requested, minSlots); err != nil {
		t.Errorf("what was said to be needed is not enough: %v", err)
	}
}

func TestStreamedLayersAreSpread(t *testing.T) {
	for n, want := range map[int]string{0: "[]", 1: "[7]", 2: "[3 7]", 3: "[2 5 7]", 8: "[0 1 2 3 4 5 6 7]"} {
		if got := fmt.Sprint(spread(n, 8)); got != want {
			t.Errorf("%d of 8: %s, want %s", n, got, want)
		}
	}
}

// pass visits the layers as the engine does and compares their bytes with the file.
func pass(t *testing.T, r *Residency, ix *gguf.Index, w *loader.Weights, layers int) {
	t.Helper()
	for n := range layers {
		checkLayer(t, r, ix, w, n)
	}
	spacetest.Must(t, r.Err())
	r.End()
}

func checkLayer(t *testing.T, r *Residency, ix *gguf.Index, w *loader.Weights, n int) {
	t.Helper()
	ready := r.Before(n)
	some := false
	for i := range 3 {
		name := fmt.Sprintf("blk.%d.t%d.weight", n, i)
		p, size, _ := w.TensorData(name)
		if layer, slot := r.Slot(name); slot != nil && ready {
			p = slot
			if layer != n {
				t.Fatalf("%s is of layer %d", name, layer)
			}
			some = true
		}
		x, _ := ix.Tensor(name)
		want := make([]byte, size)
		spacetest.Must(t, files.ReadFull(ix.File(x.File), want, x.Offset))
		if !bytes.Equal(space.BytesAt(p, size), want) {
			t.Fatalf("%s has other bytes than the file", name)
		}
	}
	if ready && !some {
		t.Fatalf("nothing of layer %d is in a slot", n)
	}
	r.After(n)
}

// residencyOf applies a budget, with an arena of the plan's chunk size.
func residencyOf(t *testing.T, ctx context.Context, w *loader.Weights, plan *loader.Plan, budget uint64) (*Residency, error) {
	t.Helper()
	a := memory.NewArena(memory.ArenaOptions{ChunkSize: plan.ChunkSize})
	t.Cleanup(func() { a.Close() })
	return New(ctx, Options{Weights: w, Plan: plan, Budget: budget, Arena: a})
}

func TestResidencyStreamsWhatDoesNotFit(t *testing.T) {
	const layers = 8
	ix, plan, w := layeredModel(t, layers)
	all, nonLayer := layersOf(w.TensorData, plan, nil)
	layer := all[0].maxResident + 8*space.Granularity() // sizes differ by some pages
	for _, way := range []string{"batches", "direct reads", "cached reads"} {
		for _, tt := range []struct {
			name     string
			budget   uint64
			streamed int
		}{
			{"nothing where all fits", nonLayer.maxResident + layers*layer, 0},
			{"one layer too many, which takes two for the slots", nonLayer.maxResident + 7*layer, 3},
			{"everything under the least budget", nonLayer.maxResident + 2*layer, 8},
		} {
			t.Run(tt.name+", "+way, func(t *testing.T) {
				r, err := residencyOf(t, t.Context(), w, plan, tt.budget)
				spacetest.Must(t, err)
				for range 9 { // a disk whose times differ much gets a third slot
					if r.Stats().Slots < 3 {
						break
					}
					spacetest.Must(t, r.Close())
					r, err = residencyOf(t, t.Context(), w, plan, tt.budget)
					spacetest.Must(t, err)
				}
				defer r.Close()
				if r.reader.direct == nil && way != "cached reads" {
					t.Skip("the file system of the temporary folder has no direct reads")
				}
				if r.reader.batch == nil && way == "batches" {
					t.Skip("this system has no asynchronous reads")
				}
				r.halt()
				switch way {
				case "batches":
					r.reader.use(method{64 << 10, 0})
				case "cached reads":
					r.reader.closeDirect()
					r.reader.direct = nil
					fallthrough
				default:
					r.reader.use(method{64 << 10, 2})
				}
				r.start()
				for range 3 {
					pass(t, r, ix, w, layers)
				}
				st := r.Stats()
				if st.Streamed > tt.streamed || (st.Streamed == 0) != (tt.streamed == 0) || (r.First() >= 0) != (tt.streamed > 0) || st.Resident > tt.budget {
					t.Errorf("%+v, first %d", st, r.First())
				}
				if tt.streamed > 0 && (st.Passes != 3 || st.Hits+st.Misses != uint64(3*st.Streamed) || st.Read < 2*uint64(st.Streamed)*scaled(50000)) {
					t.Errorf("%+v", st)
				}
				// A pass that is given up, and one that begins anew.
				for n := range 3 {
					r.Before(n)
				}
				r.End()
				pass(t, r, ix, w, layers)
				// Other budgets between passes.
				for _, n := range []uint64{4, layers, 3, 2, 6, layers} {
					spacetest.Must(t, r.SetBudget(t.Context(), nonLayer.maxResident+n*layer, 0))
					pass(t, r, ix, w, layers)
					if st := r.Stats(); st.Resident > nonLayer.maxResident+n*layer || (st.Streamed == 0) != (n == layers) {
						t.Errorf("%d layers: %+v", n, st)
					}
				}
				if err := r.SetBudget(t.Context(), nonLayer.maxResident, 0); !errors.Is(err, memory.ErrInsufficientMemory) {
					t.Errorf("a budget of the weights outside layers alone: %v", err)
				}
				pass(t, r, ix, w, layers)
			})
		}
	}
	if _, err := residencyOf(t, t.Context(), w, plan, nonLayer.maxResident+layer); !errors.Is(err, memory.ErrInsufficientMemory) {
		t.Errorf("a budget of less than two layers: %v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := residencyOf(t, cancelled, w, plan, nonLayer.maxResident+5*layer); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// Layers that are evaluated in another order, or twice, are slow but have the right bytes.
func TestResidencyOfAnotherOrder(t *testing.T) {
	const layers = 6
	ix, plan, w := layeredModel(t, layers)
	all, nonLayer := layersOf(w.TensorData, plan, nil)
	r, err := residencyOf(t, t.Context(), w, plan, nonLayer.maxResident+2*(all[0].maxResident+8*space.Granularity()))
	spacetest.Must(t, err)
	defer r.Close()
	for range 3 {
		for _, n := range []int{5, 0, 3, 3, 1, 4, 2, 0} {
			checkLayer(t, r, ix, w, n)
		}
		r.End()
	}
	// Both in one slot: the second is not there while the first is in use.
	if !r.Before(1) || r.Before(3) {
		t.Error("two layers were in one slot")
	}
}

func TestAFileThatIsCutShortIsAnErrorOfThePass(t *testing.T) {
	ix, plan, w := layeredModel(t, 6)
	all, nonLayer := layersOf(w.TensorData, plan, nil)
	r, err := residencyOf(t, t.Context(), w, plan, nonLayer.maxResident+2*(all[0].maxResident+8*space.Granularity()))
	spacetest.Must(t, err)
	defer r.Close()
	pass(t, r, ix, w, 6)
	if refused := modeltest.Truncate(t, ix.Path(), all[3].tensors[0].mapped.offset+100); refused != nil {
		t.Skip(refused)
	}
	for n := range 6 {
		if r.Before(n) {
			r.After(n)
		}
	}
	if err := r.Err(); !errors.Is(err, files.ErrFileChanged) {
		t.Errorf("%v", err)
	}
	r.End()
}

func TestClosingAResidencyLetsAWaitingPassGo(t *testing.T) {
	_, plan, w := layeredModel(t, 6)
	all, nonLayer := layersOf(w.TensorData, plan, nil)
	r, err := residencyOf(t, t.Context(), w, plan, nonLayer.maxResident+3*(all[0].maxResident+8*space.Granularity()))
	spacetest.Must(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 50 {
			for n := range 6 {
				r.Before(n)
				r.After(n)
			}
		}
	}()
	spacetest.Must(t, r.Close())
	<-done
	spacetest.Must(t, r.Close())
}

// namedModel writes a file of tensors with these names and sizes, and opens it.
func namedModel(t *testing.T, names []string, sizes []uint64) *gguf.Index {
	t.Helper()
	var w gguf.Writer
	for i, name := range names {
		w.AddTensor(name, gguf.TypeI8, sizes[i])
	}
	path := filepath.Join(t.TempDir(), "model.gguf")
	f, err := os.Create(path)
	spacetest.Must(t, err)
	defer f.Close()
	_, err = w.WriteHeader(f)
	spacetest.Must(t, err)
	for i, size := range sizes {
		data := make([]byte, size+w.Padding(size))
		for off := range size {
			data[off] = modeltest.Content(i, off)
		}
		_, err = f.Write(data)
		spacetest.Must(t, err)
	}
	ix, err := loader.OpenWith(path, loader.OpenOptions{SkipModel: true})
	spacetest.Must(t, err)
	t.Cleanup(func() { ix.Close() })
	return ix
}
