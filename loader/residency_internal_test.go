package loader

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
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
	for name, want := range map[string]bool{"token_embd.weight": true, "blk.0.ffn_up_exps.weight": true, "blk.0.ffn_up_shexp.weight": false, "output.weight": false} {
		if got := isSparse(name, false); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
	if isSparse("token_embd.weight", true) {
		t.Error("embeddings that are the output head are used whole")
	}
}

// layeredModel is a model of layers of three tensors each, of 300 KB together, with
// embeddings and an output head.
func layeredModel(t *testing.T, layers int) (*Index, *Plan, *Weights) {
	t.Helper()
	names := []string{"token_embd.weight", "output.weight", "output_norm.weight"}
	sizes := []uint64{100000, 200000, 1000}
	for n := range layers {
		for i, size := range []uint64{50000, 170000, 80000} {
			names = append(names, fmt.Sprintf("blk.%d.t%d.weight", n, i))
			sizes = append(sizes, size)
		}
	}
	ix := namedModel(t, names, sizes)
	plan, err := ix.Plan(PlanOptions{ChunkSize: 128 * kib, Layers: true})
	check(t, err)
	w, err := MapWeights(t.Context(), ix, plan, MapOptions{})
	check(t, err)
	t.Cleanup(func() { w.Close() })
	return ix, plan, w
}

func TestChunksFollowLayers(t *testing.T) {
	_, plan, w := layeredModel(t, 4)
	for _, r := range plan.Ranges {
		for _, x := range r.Tensors {
			if layerOf(x.Name) != layerOf(r.Tensors[0].Name) {
				t.Errorf("%s and %s share a range", r.Tensors[0].Name, x.Name)
			}
		}
	}
	layers, head := layersOf(w, plan)
	if len(layers) != 4 || head.size < 200000 || len(head.sparse) != 1 {
		t.Fatalf("%d layers, head %+v", len(layers), head)
	}
	for i, l := range layers {
		if l.size < 300000 || l.size > 300000+8*granularity() || sizeOf(l.whole) != l.size {
			t.Errorf("layer %d: %+v", i, l)
		}
	}
}

// pass goes over the layers as the engine does, checking their bytes.
func pass(t *testing.T, r *Residency, ix *Index, w *Weights, layers int) {
	t.Helper()
	for n := range layers {
		r.Before(n)
		for i := range 3 {
			name := fmt.Sprintf("blk.%d.t%d.weight", n, i)
			p, size, _ := w.TensorData(name)
			x, _ := ix.Tensor(name)
			want := make([]byte, size)
			check(t, readFull(ix.files[x.File].f, want, x.Offset))
			if !bytes.Equal(bytesAt(p, size), want) {
				t.Fatalf("%s has other bytes than the file", name)
			}
		}
		r.After(n)
	}
}

func TestResidencyStreamsWhatDoesNotFit(t *testing.T) {
	const layers = 8
	ix, plan, w := layeredModel(t, layers)
	all, head := layersOf(w, plan)
	layer := all[0].size + 2*granularity() // sizes differ by a page
	for _, tt := range []struct {
		name     string
		budget   uint64
		streamed int
	}{
		{"nothing where all fits", head.size + layers*layer, 0},
		{"all but two layers", head.size + 5*layer, 6},
		{"everything under the least budget", head.size + 3*layer, 8},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := NewResidency(t.Context(), w, plan, tt.budget)
			check(t, err)
			defer r.Close()
			for range 3 {
				pass(t, r, ix, w, layers)
			}
			st := r.Stats()
			if st.Streamed != tt.streamed || r.First() != layers-tt.streamed || st.Resident > tt.budget {
				t.Errorf("%+v", st)
			}
			if tt.streamed > 0 && (st.Passes != 3 || st.Hits+st.Misses != uint64(3*tt.streamed) || st.Read < 3*uint64(tt.streamed-3)*layer/2) {
				t.Errorf("%+v", st)
			}
			// A pass that is given up, and one that begins anew.
			r.Before(0)
			r.After(0)
			r.Before(1)
			pass(t, r, ix, w, layers)
			// Another budget in the middle of a pass.
			r.Before(6)
			check(t, r.SetBudget(head.size+4*layer))
			r.After(6)
			pass(t, r, ix, w, layers)
			check(t, r.SetBudget(head.size+layers*layer))
			pass(t, r, ix, w, layers)
			if r.First() != layers {
				t.Errorf("all fits, and layers from %d on are streamed", r.First())
			}
		})
	}
	if _, err := NewResidency(t.Context(), w, plan, head.size+layer); !errors.Is(err, ErrInsufficientMemory) {
		t.Errorf("a budget of less than three layers: %v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := NewResidency(cancelled, w, plan, head.size+5*layer); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestClosingAResidencyLetsAWaitingPassGo(t *testing.T) {
	_, plan, w := layeredModel(t, 6)
	all, head := layersOf(w, plan)
	r, err := NewResidency(t.Context(), w, plan, head.size+3*(all[0].size+2*granularity()))
	check(t, err)
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
	check(t, r.Close())
	<-done
	check(t, r.Close())
}

// namedModel is a file of tensors with names.
func namedModel(t *testing.T, names []string, sizes []uint64) *Index {
	t.Helper()
	var w Writer
	for i, name := range names {
		w.AddTensor(name, TypeI8, sizes[i])
	}
	path := filepath.Join(t.TempDir(), "model.gguf")
	f, err := os.Create(path)
	check(t, err)
	defer f.Close()
	_, err = w.WriteHeader(f)
	check(t, err)
	for i, size := range sizes {
		data := make([]byte, size+w.Padding(size))
		for off := range size {
			data[off] = content(i, off)
		}
		_, err = f.Write(data)
		check(t, err)
	}
	ix, err := OpenWith(path, OpenOptions{SkipModel: true})
	check(t, err)
	t.Cleanup(func() { ix.Close() })
	return ix
}
