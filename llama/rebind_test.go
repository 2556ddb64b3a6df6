//go:build cgo

package llama_test

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
)

// bindAll binds a model's tensors, repacked where the engine wants that.
func bindAll(t *testing.T, h *heap, m *llama.Model, ws []llama.Weight, read func(name string) []byte) {
	t.Helper()
	for i, w := range ws {
		src := read(w.Name)
		p, err := h.AllocBlock(llama.PurposeWeights, uintptr(w.Stored))
		memtest.Need(t, err)
		if w.Kind == llama.WeightRepack {
			err = m.Repack(i, p, unsafe.Pointer(&src[0]))
		} else {
			copy(unsafe.Slice((*byte)(p), len(src)), src)
			err = m.Bind(i, p)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A context that has computed with one layout continues with another, and gives the same results as
// a context that only used the second.
func TestRebound(t *testing.T) {
	if !llama.CanRepack() {
		t.Skip("the engine was compiled without repacking")
	}
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := llama.Quantize(t.Context(), tinyF16, path, llama.QuantizeParams{Type: "q4_0"}); err != nil {
		t.Fatal(err)
	}
	h := newHeap(1 << 20)
	for name, repack := range map[string]bool{"from the file's layout": false, "from a copy": true} {
		t.Run(name, func(t *testing.T) {
			m, ws, read := unboundAs(t, path, h, repack)
			c, err := m.NewContext(llama.ContextParams{Ctx: 64})
			if !errors.Is(err, llama.ErrUnbound) {
				t.Fatalf("%v, %v", c, err)
			}
			bindAll(t, h, m, ws, read)
			other, ws, _ := unboundAs(t, path, h, true)
			if err := m.Rebind(other); !errors.Is(err, llama.ErrUnbound) {
				t.Errorf("like a model that is not bound: %v", err)
			}
			bindAll(t, h, other, ws, read)
			want := decode(t, newContext(t, other, llama.ContextParams{Ctx: 64, Threads: 1}), story)

			used := newContext(t, m, llama.ContextParams{Ctx: 64, Threads: 1})
			decode(t, used, story)
			if err := m.Rebind(other); err != nil {
				t.Fatal(err)
			}
			rebound, err := m.Weights()
			check(t, err)
			for i, w := range rebound {
				if tied := w.Name == "token_embd.weight"; !repack && !tied && w.Kind != kindOf(ws, w.Name) {
					t.Errorf("tensor %d, %s, is of kind %v", i, w.Name, w.Kind)
				}
			}
			fresh := decode(t, newContext(t, m, llama.ContextParams{Ctx: 64, Threads: 1}), story)
			again := again(t, used)
			if !slices.Equal(fresh, again) {
				t.Error("a context that was used before computes something else than a new one")
			}
			if d := distance(again, want); d > 0.2 || repack && d > 0 { // tied embeddings stay plain
				t.Errorf("logits differ by %g from the other model's", d)
			}
			other.Close()
			if !slices.Equal(decode(t, newContext(t, m, llama.ContextParams{Ctx: 64, Threads: 1}), story), fresh) {
				t.Error("it needs the other model")
			}
		})
	}
	m, ws, read := unboundAs(t, path, h, false)
	bindAll(t, h, m, ws, read)
	f16, ws, read := unboundAs(t, tinyF16, h, false)
	bindAll(t, h, f16, ws, read)
	want := decode(t, newContext(t, m, llama.ContextParams{Ctx: 64, Threads: 1}), story)
	var e *llama.Error
	if err := m.Rebind(f16); !errors.As(err, &e) {
		t.Errorf("like a model of other types: %v", err)
	}
	if err := m.Rebind(load(t, path, llama.ModelParams{MMap: true})); !errors.Is(err, llama.ErrArgument) {
		t.Errorf("like one that was loaded whole: %v", err)
	}
	if !slices.Equal(decode(t, newContext(t, m, llama.ContextParams{Ctx: 64, Threads: 1}), story), want) {
		t.Error("a refused change changed something")
	}
}

func kindOf(ws []llama.Weight, name string) llama.WeightKind {
	i := slices.IndexFunc(ws, func(w llama.Weight) bool { return w.Name == name })
	return ws[i].Kind
}
