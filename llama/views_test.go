//go:build cgo && unix

package llama_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
)

// The graph of an RWKV makes views of weights: they are no weights that are loaded.
func TestViewsOfWeightsAreNotRecorded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.gguf")
	for name, b := range ggufcases.Computing() {
		if name == "rwkv7" {
			memtest.Need(t, os.WriteFile(path, b, 0o600))
		}
	}
	prompt := []llama.Token{1, 40, 41, 42, 43}
	params := llama.ContextParams{Ctx: 256, Threads: 1}
	want := decode(t, newContext(t, load(t, path, llama.ModelParams{}), params), prompt)

	h := newHeap(1 << 20)
	m, ws, read := unbound(t, path, h)
	bindAll(t, h, m, ws, read)
	for range 2 {
		if got := decode(t, newContext(t, m, params), prompt); !slices.Equal(got, want) {
			t.Errorf("logits differ by %g from those of the engine's own load", distance(got, want))
		}
	}
	other, ws, read := unbound(t, path, h)
	bindAll(t, h, other, ws, read)
	if err := m.Rebind(other); err != nil { // goes through all that was recorded
		t.Fatal(err)
	}
	if got := decode(t, newContext(t, m, params), prompt); !slices.Equal(got, want) {
		t.Errorf("logits differ by %g with another model's weights", distance(got, want))
	}
}
