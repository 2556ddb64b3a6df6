//go:build cgo

package runtime_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/runtime"
)

// half is a budget in which half of a mixture's weights fit.
func half(t *testing.T, path string) runtime.Options {
	t.Helper()
	return runtime.Options{Load: runtime.LoadMMap, MaxMemory: budgetOf(t, path, budgeted, 0.5), Session: budgeted}
}

// readsExperts fails if no experts were read into slots.
func readsExperts(t *testing.T, r runtime.Report) {
	t.Helper()
	if x := r.Residency; x == nil || x.Experts == nil || x.Experts.Misses == 0 {
		t.Errorf("no experts were read: %+v", x)
	}
}

// Adapters of dense weights and of experts change the text in the same way with a budget.
func TestAdaptersOfAMixtureWithABudget(t *testing.T) {
	path := model(t, mixture, "q4_0")
	plain, _, err := greedy(t.Context(), path, runtime.Options{Load: runtime.LoadMMap}, budgeted, 12)
	if err != nil {
		t.Fatal(err)
	}
	for name, adapter := range map[string]string{
		"dense weights": adapterOf(t, "blk.0.attn_output.weight", [2]uint64{512, 1}, [2]uint64{1, 512}),
		"experts":       adapterOfExperts(t, "blk.1.ffn_up_exps.weight", []uint64{512, 2, 32}, []uint64{2, 512, 32}),
	} {
		t.Run(name, func(t *testing.T) {
			adapters := []runtime.Adapter{{Path: adapter, Scale: 8}}
			want, _, err := greedy(t.Context(), path, runtime.Options{Load: runtime.LoadMMap, Adapters: adapters}, budgeted, 12)
			if err != nil {
				t.Fatal(err)
			}
			if slices.Equal(want, plain) {
				t.Error("the adapter changes nothing")
			}
			o := half(t, path)
			o.Adapters = adapters
			got, r, err := greedy(t.Context(), path, o, budgeted, 12)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "tokens", got, want)
			readsExperts(t, r)
		})
	}
}

// The engine would read past the matrices of an adapter that has fewer than there are experts.
func TestAdaptersWithTooFewExpertsAreRefused(t *testing.T) {
	path := model(t, mixture, "q4_0")
	for _, n := range [][2]uint64{{1, 1}, {32, 31}, {31, 32}, {33, 33}} {
		adapter := adapterOfExperts(t, "blk.1.ffn_up_exps.weight", []uint64{512, 2, n[0]}, []uint64{2, 512, n[1]})
		_, err := runtime.Open(t.Context(), path, runtime.Options{Load: runtime.LoadMMap, Adapters: []runtime.Adapter{{Path: adapter}}})
		var e *gguf.FormatError
		if !errors.Is(err, runtime.ErrBadModel) || !errors.As(err, &e) || e.File != adapter || !strings.Contains(e.Field, "blk.1.ffn_up_exps.weight.lora_") {
			t.Errorf("%v of 32: %v", n, err)
		}
	}
}

func TestLookupOfAMixtureWithABudget(t *testing.T) {
	path := model(t, mixture, "q4_0")
	text := strings.Repeat(prompt+". ", 4)
	var ids [2][]int32
	for i, o := range []runtime.Options{{Load: runtime.LoadMMap}, half(t, path)} {
		m := open(t, path, o)
		o := greedyOptions(40)
		o.IgnoreEOG = true
		got := compare(t, session(t, m, budgeted), text, o)
		if ids[i] = got.ids; got.stats.Drafted == 0 {
			t.Errorf("no drafts: %+v", got.stats)
		}
		if i == 1 {
			readsExperts(t, m.Report())
		}
		m.Close()
	}
	equal(t, "with a budget", ids[1], ids[0])
}

func TestEmbeddingsOfAMixtureWithABudget(t *testing.T) {
	path := model(t, mixture, "q4_0")
	var vectors [2][][]float32
	for i, o := range []runtime.Options{{Load: runtime.LoadMMap}, half(t, path)} {
		m := open(t, path, o)
		s := session(t, m, runtime.SessionOptions{Embeddings: true, Pooling: llama.PoolingMean, Context: 64, Threads: 1, FlashAttention: llama.FlashOff})
		var err error
		if vectors[i], err = s.Embed(t.Context(), prompt); err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			readsExperts(t, m.Report())
		}
		m.Close()
	}
	if !slices.EqualFunc(vectors[0], vectors[1], slices.Equal) {
		t.Errorf("%v, with a budget %v", vectors[0], vectors[1])
	}
}

// Slots for experts are in the pool.
func TestAMixtureWithABudgetInAPool(t *testing.T) {
	path := model(t, mixture, "q4_0")
	want, _, err := greedy(t.Context(), path, runtime.Options{Load: runtime.LoadMMap}, budgeted, 12)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := memory.NewPool(96<<20, memory.PoolOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	o := half(t, path)
	o.Pool = pool
	got, r, err := greedy(t.Context(), path, o, budgeted, 12)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "tokens", got, want)
	readsExperts(t, r)
	if st := pool.Stats(); st.Used != 0 || st.Peak < r.Residency.Private {
		t.Errorf("%+v, for slots of %d bytes", st, r.Residency.Private)
	}
	small, err := memory.NewPool(16<<20, memory.PoolOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer small.Close()
	o.Pool = small
	if _, err := runtime.Open(t.Context(), path, o); !errors.Is(err, runtime.ErrInsufficientMemory) {
		t.Errorf("in a pool that is too small: %v", err)
	}
}

// split writes a model in two files, and returns the path of the first.
func split(t *testing.T, path string) string {
	t.Helper()
	ix, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Close()
	all, dir := ix.Tensors(), t.TempDir()
	for no, tensors := range [][]gguf.Tensor{all[:len(all)/2], all[len(all)/2:]} {
		var w gguf.Writer
		if no == 0 {
			for k, v := range ix.Metadata() {
				w.Add(k, v)
			}
		}
		w.Add("split.no", gguf.Uint16Value(uint16(no)))
		w.Add("split.count", gguf.Uint16Value(2))
		w.Add("split.tensors.count", gguf.Int32Value(int32(len(all))))
		for _, x := range tensors {
			w.AddTensor(x.Name, x.Type, x.Shape...)
		}
		f, err := os.Create(filepath.Join(dir, ggufcases.ShardName("m", no+1, 2)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.WriteHeader(f); err != nil {
			t.Fatal(err)
		}
		for _, x := range tensors {
			b := make([]byte, x.Size+w.Padding(x.Size))
			if err := ix.ReadTensor(x, b[:x.Size], 0); err != nil {
				t.Fatal(err)
			}
			if _, err := f.Write(b); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, ggufcases.ShardName("m", 1, 2))
}

func TestAMixtureInShardsWithABudget(t *testing.T) {
	path := model(t, mixture, "q4_0")
	want, _, err := greedy(t.Context(), path, runtime.Options{Load: runtime.LoadMMap}, budgeted, 12)
	if err != nil {
		t.Fatal(err)
	}
	shards := split(t, path)
	for _, share := range []float64{0.6, 0.25} {
		o := runtime.Options{Load: runtime.LoadMMap, MaxMemory: budgetOf(t, shards, budgeted, share), Session: budgeted}
		got, r, err := greedy(t.Context(), shards, o, budgeted, 12)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, fmt.Sprint(share), got, want)
		readsExperts(t, r)
	}
}

// A budget changes between two tokens, down to a token's experts and up to all, and one that is
// refused changes nothing.
func TestTheBudgetOfAMixtureChangesWhileItGenerates(t *testing.T) {
	path := model(t, mixture, "q4_0")
	want, _, err := greedy(t.Context(), path, runtime.Options{Load: runtime.LoadMMap}, budgeted, 16)
	if err != nil {
		t.Fatal(err)
	}
	m := open(t, path, half(t, path))
	s := session(t, m, budgeted)
	base := budgetOf(t, path, budgeted, 0)
	weights := m.Report().WeightBytes
	changes := []float64{0.3, 0.9, 0.16, 2, 0.4, 0.1, 0.7}
	var got []int32
	o := greedyOptions(16)
	o.IgnoreEOG = true
	for tok, err := range s.Generate(t.Context(), prompt, o) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, tok.ID)
		if i := len(got) / 2; len(got)%2 == 1 && i < len(changes) {
			if err := m.SetMaxMemory(t.Context(), base+uint64(float64(weights)*changes[i])); err != nil && !errors.Is(err, runtime.ErrInsufficientMemory) {
				t.Fatal(err)
			}
		}
	}
	equal(t, "tokens", got, want)
	readsExperts(t, m.Report())
	if err := m.SetMaxMemory(t.Context(), 1); !errors.Is(err, runtime.ErrInsufficientMemory) {
		t.Errorf("a budget of a byte: %v", err)
	}
}
