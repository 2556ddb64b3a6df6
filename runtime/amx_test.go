//go:build cgo

package runtime_test

import (
	"slices"
	"testing"

	"github.com/seed7adf6694/infer/internal/amxtest"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/runtime"
)

func TestWithAMX(t *testing.T) {
	amxtest.Rerun(t, "^(TestLayoutsOfOtherSizes|TestLayoutsOfOtherSizesAreStreamed|TestAPackedModelComputesWhatTheEnginesCopyComputes|TestCheckComputesAPackedModelAndItsSource)$",
		"/(synthetic|tiny_q4_0$)")
}

// weightsOf opens a model and returns what its weights take.
func weightsOf(t *testing.T, path string, o runtime.Options) memory.PurposeUsage {
	t.Helper()
	m := open(t, path, o)
	defer m.Close()
	return m.Report().Memory.Of(memory.PurposeWeights)
}

// logitsByParts returns the logits of tokens, of which each list is evaluated at once.
func logitsByParts(t *testing.T, path string, o runtime.Options, tokens [][]int32) (all []float32, r runtime.Report) {
	t.Helper()
	o.Session = budgeted
	m := open(t, path, o)
	defer m.Close()
	s := session(t, m, budgeted)
	defer s.Close()
	for _, list := range tokens {
		err := s.Evaluate(t.Context(), list, runtime.EvaluateOptions{Logits: func(_ int, l []float32) error {
			all = append(all, l...)
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all, m.Report()
}

// AMX's layout of q8_0 is larger than the file's.
func TestLayoutsOfOtherSizes(t *testing.T) {
	if !amxtest.Running() {
		t.Skip("run by TestWithAMX")
	}
	path := model(t, "layers=2,width=512,heads=8,kv_heads=2,ffn=1024,vocab=1024", "q8_0")
	file := packedOf(t, path)
	prompt := [][]int32{{1, 403, 407, 261, 378, 432, 9, 77, 31, 6, 500, 41}, {17}}
	want, _ := logitsByParts(t, path, runtime.Options{Load: runtime.LoadStock}, prompt)
	for _, chunk := range []uint64{1 << 20, 64 << 20} {
		forecast, err := runtime.Plan(t.Context(), path, runtime.Options{ChunkSize: chunk})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range forecast.Modes {
			way, o := path, runtime.Options{Load: p.Mode, ChunkSize: chunk}
			if p.Packed {
				way = file
			} else if p.Mode != runtime.LoadCopy {
				continue
			}
			if got, _ := logitsByParts(t, way, o, prompt); !slices.Equal(got, want) {
				t.Errorf("%s in chunks of %d: the logits are others than those of a stock load", p.Name(), chunk)
			}
			w := weightsOf(t, way, o)
			if p.Weights < forecast.Modes[0].Weights*21/20 || !near(p.Weights, w.Current) {
				t.Errorf("%s in chunks of %d: planned %d, taken %d; as in the file %d", p.Name(), chunk, p.Weights, w.Current, forecast.Modes[0].Weights)
			}
			if w.LargestAllocation > chunk || w.LargestRange > p.LargestRange {
				t.Errorf("%s in chunks of %d: one of %d in a range of %d, planned %d", p.Name(), chunk, w.LargestAllocation, w.LargestRange, p.LargestRange)
			}
		}
	}
	ix, err := gguf.Open(file, gguf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Close()
	for _, p := range ix.Packed().Tensors {
		if x, _ := ix.Tensor(p.Name); x.Size != p.Stored || p.Stored <= p.Size {
			t.Errorf("%s has %d bytes, listed %d, in the source %d", p.Name, x.Size, p.Stored, p.Size)
		}
	}
}

func TestLayoutsOfOtherSizesAreStreamed(t *testing.T) {
	if !amxtest.Running() {
		t.Skip("run by TestWithAMX")
	}
	file := packedOf(t, model(t, "large", "q8_0"))
	one := [][]int32{{1}, {403}, {17}, {99}} // one at a time: without tiles, which are slow if they are emulated
	want, _ := logitsByParts(t, file, runtime.Options{}, one)
	got, r := logitsByParts(t, file, runtime.Options{MaxMemory: budgetOf(t, file, budgeted, 0.7)}, one)
	if !slices.Equal(got, want) {
		t.Error("the logits within a budget are others")
	}
	if r.Residency == nil || r.Residency.Streamed == 0 || r.Residency.Read == 0 {
		t.Errorf("%+v", r.Residency)
	}
}
