//go:build cgo

package runtime

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/llama"
)

// After an interrupted prompt, the part that was kept gives the same results as alone. The
// cache of a sliding window keeps only the window, and does not report overwritten cells.
func TestAnInterruptedPromptLeavesWhatItSays(t *testing.T) {
	for name, b := range ggufcases.ComputingWith(llama.Engine().ABI, "gemma3", "llama", "rwkv7") {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "model.gguf")
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			m, err := Open(t.Context(), path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			interrupt(t, m)
		})
	}
}

func interrupt(t *testing.T, m *Model) {
	tokens := make([]int32, 1200)
	for i := range tokens {
		tokens[i] = int32((i*i*7+i*3)%50) + 260
	}
	fresh := func() *Session {
		s, err := m.NewSession(t.Context(), SessionOptions{Context: 2048, Batch: 1024, UBatch: 16, Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	next := func(s *Session) (logits []float32) {
		err := s.Evaluate(t.Context(), []int32{261}, EvaluateOptions{Logits: func(_ int, l []float32) error {
			logits = slices.Clone(l)
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		return logits
	}
	whole := fresh()
	start := time.Now()
	if err := whole.Evaluate(t.Context(), tokens, EvaluateOptions{}); err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	for i := range 6 { // interrupted at different times of the evaluation
		s := fresh()
		if err := s.Evaluate(t.Context(), tokens[:100], EvaluateOptions{}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), took*time.Duration(i+1)/7)
		if err := s.Evaluate(ctx, tokens[100:], EvaluateOptions{}); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		cancel()
		left := len(s.tokens)
		alone := fresh()
		if err := alone.Evaluate(t.Context(), tokens[:left], EvaluateOptions{}); err != nil {
			t.Fatal(err)
		}
		// Attention sums tokens in the order of their cells, which may differ.
		if off, largest := distance(next(s), next(alone)); off > largest/10000 {
			t.Errorf("with %d tokens left of an interrupted evaluation, logits are off by %g, of %g, from those with as many alone", left, off, largest)
		} else if off > 0 {
			t.Logf("off by %g of %g", off, largest)
		}
	}
}

// distance returns the largest difference between two lists, and the largest number of the
// second.
func distance(a, b []float32) (off, largest float64) {
	for i := range b {
		off = max(off, math.Abs(float64(a[i]-b[i])))
		largest = max(largest, math.Abs(float64(b[i])))
	}
	return off, largest
}
