//go:build cgo

package llama_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/seed7adf6694/infer/llama"
)

// collected collects garbage until there is no block left, or for a minute.
func collected(h *heap) bool {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		runtime.GC() // queues cleanups, which run beside this
		if len(h.count()) == 0 {
			return true
		}
	}
	return false
}

// collect runs the garbage collector several times, to free everything without references.
func collect() {
	for range 5 {
		runtime.GC()
	}
}

// forgetAll makes one object of each kind with memory from h and closes none. Samplers,
// adapters and contexts keep their model alive: its blocks are freed with the last of them.
func forgetAll(t *testing.T, h *heap, adapter string) {
	t.Helper()
	m, err := llama.LoadModel(t.Context(), tinyF16, llama.ModelParams{Blocks: h})
	check(t, err)
	c, err := m.NewContext(llama.ContextParams{Ctx: 64, Threads: 1, Blocks: h})
	check(t, err)
	a, err := m.LoadAdapter(adapter)
	check(t, err)
	check(t, c.ApplyAdapter(a, 1))
	s, err := m.NewSampler()
	check(t, err)
	check(t, s.AddGreedy())
	clone, err := s.Clone()
	check(t, err)
	feed(t, c, storyAs(0)...)
	_, err = clone.Sample(c, -1)
	check(t, err)
	if n := h.count(); n[llama.PurposeWeights] == 0 || n[llama.PurposeKV] == 0 || n[llama.PurposeOutput] == 0 {
		t.Fatalf("blocks %v", n)
	}
}

func TestForgottenThingsAreFreed(t *testing.T) {
	h, adapter := newHeap(256<<10), plainAdapter(t)
	for range 3 {
		forgetAll(t, h, adapter)
	}
	if !collected(h) {
		t.Errorf("a minute after they were forgotten there are blocks left: %v", h.count())
	}
}

// The functions below return one object and drop the references to what it was made from.

func contextOnly(t *testing.T, h *heap) *llama.Context {
	m, err := llama.LoadModel(t.Context(), tinyF16, llama.ModelParams{Blocks: h})
	check(t, err)
	c, err := m.NewContext(llama.ContextParams{Ctx: 64, Threads: 1})
	check(t, err)
	return c
}

func samplerOnly(t *testing.T, h *heap) *llama.Sampler {
	m, err := llama.LoadModel(t.Context(), tinyF16, llama.ModelParams{Blocks: h})
	check(t, err)
	s, err := m.NewSampler()
	check(t, err)
	check(t, s.AddGreedy())
	return s
}

func adapterOnly(t *testing.T, h *heap) *llama.Adapter {
	m, err := llama.LoadModel(t.Context(), tinyF16, llama.ModelParams{Blocks: h})
	check(t, err)
	a, err := m.LoadAdapter(plainAdapter(t))
	check(t, err)
	return a
}

func contextWithAdapter(t *testing.T, h *heap) *llama.Context {
	m, err := llama.LoadModel(t.Context(), tinyF16, llama.ModelParams{MMap: true, Blocks: h})
	check(t, err)
	a, err := m.LoadAdapter(plainAdapter(t))
	check(t, err)
	c, err := m.NewContext(llama.ContextParams{Ctx: 64, Threads: 1})
	check(t, err)
	check(t, c.ApplyAdapter(a, 1))
	return c
}

func TestWhatIsInUseIsNotFreedWhenForgotten(t *testing.T) {
	want := feed(t, newContext(t, load(t, tinyF16, llama.ModelParams{}), llama.ContextParams{Ctx: 64, Threads: 1}), storyAs(0)...)
	for _, tt := range []struct {
		name string
		make func(t *testing.T, h *heap) (use func(t *testing.T), close func() error)
	}{
		{"a context keeps its model", func(t *testing.T, h *heap) (func(*testing.T), func() error) {
			c := contextOnly(t, h)
			return func(t *testing.T) { near(t, "it", feed(t, c, storyAs(0)...), want) }, c.Close
		}},
		{"a sampler keeps its model", func(t *testing.T, h *heap) (func(*testing.T), func() error) {
			s := samplerOnly(t, h)
			return func(t *testing.T) {
				_, err := s.Choose(want)
				check(t, err)
			}, s.Close
		}},
		{"an adapter keeps its model", func(t *testing.T, h *heap) (func(*testing.T), func() error) {
			a := adapterOnly(t, h)
			return func(t *testing.T) {
				_, err := a.AllMetadata()
				check(t, err)
			}, a.Close
		}},
		{"a context keeps the adapters that it applies", func(t *testing.T, h *heap) (func(*testing.T), func() error) {
			c := contextWithAdapter(t, h)
			return func(t *testing.T) { near(t, "it", feed(t, c, storyAs(0)...), want) }, c.Close
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHeap(256 << 10)
			use, closeIt := tt.make(t, h)
			before := h.count()[llama.PurposeWeights]
			collect()
			if n := h.count()[llama.PurposeWeights]; before == 0 || n != before {
				t.Errorf("%d blocks of weights, %d after a collection", before, n)
			}
			use(t)
			check(t, closeIt())
			if !collected(h) {
				t.Errorf("blocks left after closing: %v", h.count())
			}
		})
	}
}
