//go:build cgo

package runtime

import (
	"math"
	"path/filepath"
	"testing"

	"github.com/seed7adf6694/infer/llama"
)

// repackTolerance is the largest difference of a logit, by type. The logits of the tiny model
// have a standard deviation of 2.9. Most repacked kernels sum the same products in another
// order; those of the K types also round the activations to 8 bits differently.
var repackTolerance = map[string]float64{"q4_0": 1e-3, "q8_0": 1e-3, "iq4_nl": 1e-3, "q4_k_m": 0.25}

// Repacked weights give the same logits within the tolerance.
func TestRepackedWeightsGiveNearLogits(t *testing.T) {
	if !llama.CanRepack() {
		t.Skip("the engine was compiled without GGML_USE_CPU_REPACK")
	}
	const f16 = "../models/tiny/tiny-stories-f16.gguf"
	for typ, tolerance := range repackTolerance {
		t.Run(typ, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "model.gguf")
			if err := Quantize(t.Context(), f16, path, QuantizeOptions{Type: typ}); err != nil {
				t.Fatal(err)
			}
			plain, _ := logitsOf(t, path, Options{Load: LoadMMap})
			packed, repacked := logitsOf(t, path, Options{Load: LoadCopy})
			if repacked == 0 && typ != "q8_0" { // AMD and Intel CPUs have no layout for it
				t.Error("nothing was repacked")
			}
			most := 0.0
			for i := range plain {
				most = max(most, math.Abs(float64(plain[i]-packed[i]))) // NaN stays
			}
			t.Logf("the largest difference of a logit is %.3g", most)
			if !(most <= tolerance) {
				t.Errorf("a logit differs by %g", most)
			}
		})
	}
}

// logitsOf returns the logits after a prompt, and how many bytes were repacked.
func logitsOf(t *testing.T, path string, o Options) ([]float32, uint64) {
	t.Helper()
	m, err := Open(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	s, err := m.NewSession(t.Context(), SessionOptions{Context: 64})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tokens, err := m.tokenize("Once upon a time there was a dog named Max", true, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.eval(t.Context(), tokens); err != nil {
		t.Fatal(err)
	}
	logits, err := s.ctx.Logits(-1, nil)
	if err != nil {
		t.Fatal(err)
	}
	return logits, m.Report().Repacked
}
