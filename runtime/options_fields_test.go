//go:build cgo

package runtime_test

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/fieldtest"
	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/models"
	"github.com/seed7adf6694/infer/runtime"
)

// openTiny opens the tiny model, mapped.
func openTiny(t *testing.T) *runtime.Model {
	t.Helper()
	m, err := runtime.Open(t.Context(), tinyF16, runtime.Options{Load: runtime.LoadMMap})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func TestNoFieldOfAnOptionBringsAnythingDown(t *testing.T) {
	memtest.WithoutRace(t)
	model, err := filepath.Abs(tinyF16)
	if err != nil {
		t.Fatal(err)
	}
	m := openTiny(t)
	t.Chdir(t.TempDir()) // for caches with relative names
	small := runtime.SessionOptions{Context: 256, Threads: 1}
	gone, cancel := context.WithCancel(t.Context())
	cancel()

	t.Run("Options", func(t *testing.T) {
		fieldtest.Each(runtime.Options{Load: runtime.LoadMMap, Packed: runtime.PackedOff, Session: small}, func(name string, o runtime.Options) {
			if strings.HasPrefix(name, "Session.") { // tried below
				return
			}
			m, err := runtime.Open(t.Context(), model, o)
			if err != nil {
				return
			}
			s, err := m.NewSession(t.Context(), small)
			if err == nil {
				_, err = s.Complete(t.Context(), prompt, runtime.GenerateOptions{MaxTokens: 2})
				s.Close()
			}
			if err != nil {
				t.Errorf("%s: opened, and then %v", name, err)
			}
			m.Close()
		})
	})
	t.Run("SessionOptions", func(t *testing.T) {
		for _, base := range []runtime.SessionOptions{small, {Context: 256, Threads: 1, Embeddings: true}} {
			fieldtest.Each(base, func(name string, o runtime.SessionOptions) {
				s, err := m.NewSession(t.Context(), o)
				if err != nil {
					return
				}
				if o.Embeddings {
					_, err = s.Embed(t.Context(), prompt)
				} else {
					_, err = s.Complete(t.Context(), prompt, runtime.GenerateOptions{MaxTokens: 2})
				}
				if err != nil && !errors.Is(err, runtime.ErrContextFull) {
					t.Errorf("%s: made, and then %v", name, err)
				}
				s.Close()
			})
		}
	})
	t.Run("GenerateOptions", func(t *testing.T) {
		s, err := m.NewSession(t.Context(), runtime.SessionOptions{Context: 64, Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		seed := uint32(1)
		bases := []runtime.Sampling{
			{Seed: &seed, DynatempRange: 0.5, TopNSigma: 1, TypicalP: 0.9, XTCProbability: 0.5, RepeatPenalty: 1.1, DRYMultiplier: 1},
			{Seed: &seed, Mirostat: 2}, {Seed: &seed, Mirostat: 1}, {Seed: &seed}, {Greedy: true},
		}
		if testing.Short() {
			bases = bases[:2] // which have most of the engine's samplers
		}
		for _, base := range bases {
			fieldtest.Each(runtime.GenerateOptions{MaxTokens: 3, Sampling: base}, func(name string, o runtime.GenerateOptions) {
				if o.Overflow == runtime.OverflowShift || o.IgnoreEOG {
					o.MaxTokens = 100
				}
				checked := o.Check()
				_, err := s.Complete(t.Context(), prompt, o)
				if checked != nil && !errors.Is(err, runtime.ErrOption) {
					t.Errorf("%s: refused by Check (%v) and not by Generate: %v", name, checked, err)
				}
			})
		}
	})
	t.Run("others", func(t *testing.T) {
		fieldtest.Each(runtime.EvaluateOptions{}, func(name string, o runtime.EvaluateOptions) {
			s, err := m.NewSession(t.Context(), small)
			if err != nil {
				t.Fatal(err)
			}
			_ = s.Evaluate(t.Context(), []int32{1, -1, math.MaxInt32}, o)
			_ = s.Evaluate(t.Context(), []int32{1, 2, 3}, o)
			s.Close()
		})
		fieldtest.Each(runtime.TokenizeOptions{}, func(name string, o runtime.TokenizeOptions) {
			if _, err := m.Tokenize("\x00a\xff", o); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
		fieldtest.Each(runtime.QuantizeOptions{Type: "q8_0", Threads: 1}, func(name string, o runtime.QuantizeOptions) {
			_ = runtime.Quantize(gone, model, "out.gguf", o)
			_ = runtime.Quantize(t.Context(), model, "out.gguf", o)
		})
		fieldtest.Each(models.SynthesizeOptions{Shape: models.Shape{Layers: 1, Width: 64, Heads: 2, FFN: 64, Vocab: 300, Context: 64}}, func(name string, o models.SynthesizeOptions) {
			_ = runtime.Synthesize(gone, "made.gguf", o)
		})
	})
}

func TestEnumerationsAreChecked(t *testing.T) {
	m := openTiny(t)
	small := runtime.SessionOptions{Context: 256, Threads: 1}
	session := func(change func(*runtime.SessionOptions)) func() error {
		return func() error {
			o := small
			change(&o)
			s, err := m.NewSession(t.Context(), o)
			if err == nil {
				s.Close()
			}
			return err
		}
	}
	open := func(o runtime.Options) func() error {
		return func() error {
			// Options are checked before the file is opened.
			m, err := runtime.Open(t.Context(), "no such model", o)
			if err == nil {
				m.Close()
			}
			return err
		}
	}
	for _, c := range []struct {
		name, option, value string
		figures             string // in the text
		call                func() error
	}{
		{"flash attention", "flash attention", "7", "0 to 2", session(func(o *runtime.SessionOptions) { o.FlashAttention = 7 })},
		{"a negative pooling", "pooling", "-1", "0 to 5", session(func(o *runtime.SessionOptions) { o.Pooling = -1 })},
		{"a cache type", "K cache type", `"q3_k"`, "f32", session(func(o *runtime.SessionOptions) { o.CacheTypeK = "q3_k" })},
		{"a V cache without flash attention", "V cache type", `"q8_0"`, "flash attention", session(func(o *runtime.SessionOptions) { o.CacheTypeV, o.FlashAttention = "q8_0", llama.FlashOff })},
		{"a context", "context", "-2", "-1 to ", session(func(o *runtime.SessionOptions) { o.Context = -2 })},
		{"of a session to come", "flash attention", "7", "0 to 2", open(runtime.Options{Session: runtime.SessionOptions{FlashAttention: 7}})},
		{"load mode", "load mode", "4", "0 to 3", open(runtime.Options{Load: 4})},
		{"packed mode", "packed mode", "-1", "0 to 2", open(runtime.Options{Packed: -1})},
		{"layers", "GPU layers", "-2", "0 or more", open(runtime.Options{GPULayers: -2})},
		{"an adapter's scale", "adapter scale", "NaN", "of x ", open(runtime.Options{Adapters: []runtime.Adapter{{Path: "x", Scale: float32(math.NaN())}}})},
		{"overflow", "overflow", "2", "0 to 1", open(runtime.Options{Generate: &runtime.GenerateOptions{Overflow: 2}})},
		{"a plan", "flash attention", "7", "0 to 2", func() error {
			_, err := runtime.Plan(t.Context(), tinyF16, runtime.Options{Session: runtime.SessionOptions{FlashAttention: 7}})
			return err
		}},
	} {
		var e *runtime.OptionError
		if err := c.call(); !errors.Is(err, runtime.ErrOption) || !errors.As(err, &e) || e.Option != c.option || e.Value != c.value || !strings.Contains(err.Error(), c.figures) {
			t.Errorf("%s: %v, want %s of %s, %s", c.name, err, c.option, c.value, c.figures)
		}
	}
	// Refusals hold nothing: sessions can be made, and the model closed.
	if s, err := m.NewSession(t.Context(), small); err != nil {
		t.Error(err)
	} else {
		s.Close()
	}
}

func TestWhatGenerateRefusesIsRefusedBeforeTheWeightsAreRead(t *testing.T) {
	m := openTiny(t)
	s, err := m.NewSession(t.Context(), runtime.SessionOptions{Context: 256, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	sampling := func(c func(*runtime.Sampling)) runtime.GenerateOptions {
		var o runtime.GenerateOptions
		c(&o.Sampling)
		return o
	}
	for _, c := range []struct {
		name       string
		o          runtime.GenerateOptions
		vocabulary bool // only known with the vocabulary
	}{
		{"a temperature", sampling(func(s *runtime.Sampling) { s.Temperature = -1 }), false},
		{"a penalty", sampling(func(s *runtime.Sampling) { s.RepeatPenalty = -1 }), false},
		{"a grammar", sampling(func(s *runtime.Sampling) { s.Grammar = "root ::= (" }), false},
		{"a grammar without a rule", sampling(func(s *runtime.Sampling) { s.Grammar = "# nothing\n" }), false},
		{"a bias", sampling(func(s *runtime.Sampling) { s.LogitBias = map[int32]float32{1: float32(math.NaN())} }), false},
		{"a bias for no token", sampling(func(s *runtime.Sampling) { s.LogitBias = map[int32]float32{-1: 1} }), false},
		{"a breaker", sampling(func(s *runtime.Sampling) { s.DRYMultiplier, s.DRYBreakers = 1, []string{""} }), false},
		{"a stop string", runtime.GenerateOptions{Stop: []string{""}}, false},
		{"a bias for a token beyond the vocabulary", sampling(func(s *runtime.Sampling) { s.LogitBias = map[int32]float32{1 << 20: 1} }), true},
		{"a grammar of such a token", sampling(func(s *runtime.Sampling) { s.Grammar = "root ::= <[1048576]>" }), true},
	} {
		if err := c.o.Check(); errors.Is(err, runtime.ErrOption) == c.vocabulary {
			t.Errorf("%s: Check: %v", c.name, err)
		}
		for _, mode := range []runtime.LoadMode{runtime.LoadMMap, runtime.LoadCopy, runtime.LoadStock} {
			read := false
			m, err := runtime.Open(t.Context(), tinyF16, runtime.Options{Load: mode, Generate: &c.o, Progress: func(runtime.Progress) { read = true }})
			if err == nil {
				m.Close()
			}
			if !errors.Is(err, runtime.ErrOption) || read && mode != runtime.LoadStock {
				t.Errorf("%s: opened as %v, weights read %v: %v", c.name, mode, read, err)
			}
		}
		// A refusal does not change the session's text.
		if _, err := s.Complete(t.Context(), prompt, runtime.GenerateOptions{MaxTokens: 2}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Complete(t.Context(), "x", c.o); !errors.Is(err, runtime.ErrOption) {
			t.Errorf("%s: generated: %v", c.name, err)
		}
		if _, err := s.Complete(t.Context(), "", runtime.GenerateOptions{Continue: true, MaxTokens: 1}); err != nil {
			t.Errorf("%s: going on after it: %v", c.name, err)
		}
		if used := s.Stats().Used; used < 5 {
			t.Errorf("%s: %d tokens are left of the text", c.name, used)
		}
	}
}

func TestACallersPanicLeavesNothingLocked(t *testing.T) {
	m := openTiny(t)
	s, err := m.NewSession(t.Context(), runtime.SessionOptions{Context: 256, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	recovered := func(f func()) {
		defer func() {
			if recover() == nil {
				t.Error("no panic arrived")
			}
		}()
		f()
	}
	recovered(func() {
		for range s.Generate(t.Context(), prompt, runtime.GenerateOptions{MaxTokens: 3}) {
			panic("the caller's")
		}
	})
	recovered(func() {
		_ = s.Evaluate(t.Context(), []int32{1, 2}, runtime.EvaluateOptions{Logits: func(int, []float32) error { panic("the caller's") }})
	})
	if _, err := s.Complete(t.Context(), prompt, runtime.GenerateOptions{MaxTokens: 3}); err != nil {
		t.Error(err)
	}
	s.Close()
	m.Close()
	if _, err := m.Tokenize("a", runtime.TokenizeOptions{}); !errors.Is(err, runtime.ErrClosed) {
		t.Errorf("after the model was closed: %v", err)
	}
}
