//go:build cgo

package runtime_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/models"
	"github.com/seed7adf6694/infer/runtime"
)

// wide has a header like those of large models: 131072 tokens and 579 tensors, in 34 MB.
func wide(b *testing.B) string {
	b.Helper()
	shape, err := models.ParseShape("layers=64,width=64,heads=2,ffn=64,vocab=131072")
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), "wide.gguf")
	if err := models.Synthesize(b.Context(), path, models.SynthesizeOptions{Shape: shape}); err != nil {
		b.Fatal(err)
	}
	return path
}

// BenchmarkIndex parses and validates a header.
func BenchmarkIndex(b *testing.B) {
	for _, tt := range []struct{ name, path string }{{"small", tinyF16}, {"large", wide(b)}} {
		b.Run(tt.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				index, err := loader.Open(tt.path)
				if err != nil {
					b.Fatal(err)
				}
				index.Close()
			}
		})
	}
}

// BenchmarkPlan makes a complete plan: header, chunks, probe and the engine's dry runs.
func BenchmarkPlan(b *testing.B) {
	for _, tt := range []struct{ name, path string }{{"small", tinyF16}, {"large", wide(b)}} {
		b.Run(tt.name, func(b *testing.B) {
			if tt.name == "large" && testing.Short() {
				b.Skip("reads a large vocabulary several times: not with -short")
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := runtime.Plan(background, tt.path, runtime.Options{Session: runtime.SessionOptions{Context: 256, Threads: 1}}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkTokenize(b *testing.B) {
	m, _ := tinySession(b, runtime.SessionOptions{Context: 64, Threads: 1})
	text, err := os.ReadFile("../models/tiny/tiny-stories-heldout.txt")
	if err != nil {
		b.Fatal(err)
	}
	part := string(text[:4096])
	b.SetBytes(int64(len(part)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Tokenize(part, runtime.TokenizeOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkToken generates a token with the tiny model, for which the engine's part is small.
// The difference between the two cases is the cost of binding and sampling.
func BenchmarkToken(b *testing.B) {
	for name, sampling := range map[string]runtime.Sampling{"greedy": {Greedy: true}, "sampled": {}} {
		b.Run(name, func(b *testing.B) {
			_, s := tinySession(b, runtime.SessionOptions{Context: 256, Threads: 1})
			b.ReportAllocs()
			b.ResetTimer() // b.Loop would do that
			for done := 0; done < b.N; {
				o := runtime.GenerateOptions{MaxTokens: min(b.N-done, 200), IgnoreEOG: true, Sampling: sampling}
				for _, err := range s.Generate(background, prompt, o) {
					if err != nil {
						b.Fatal(err)
					}
					done++
				}
			}
		})
	}
}

// BenchmarkEvaluate evaluates a token without sampling.
func BenchmarkEvaluate(b *testing.B) {
	_, s := tinySession(b, runtime.SessionOptions{Context: 256, Threads: 1})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%200 == 0 {
			if err := s.Reset(); err != nil {
				b.Fatal(err)
			}
		}
		if err := s.Evaluate(background, []int32{5}, runtime.EvaluateOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}
