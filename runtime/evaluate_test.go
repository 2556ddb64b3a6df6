//go:build cgo

package runtime_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/seed7adf6694/infer/runtime"
)

// tinySession returns a session of the tiny f16 model with a context of that many tokens.
func tinySession(t testing.TB, o runtime.SessionOptions) (*runtime.Model, *runtime.Session) {
	t.Helper()
	m, err := runtime.Open(background, tinyF16, runtime.Options{Load: runtime.LoadMMap, Session: o})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	s, err := m.NewSession(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return m, s
}

func largest(logits []float32) int32 { return int32(slices.Index(logits, slices.Max(logits))) }

func TestEvaluateGivesTheLogitsThatGenerateChoosesFrom(t *testing.T) {
	m, s := tinySession(t, runtime.SessionOptions{Context: 64, UBatch: 4, Threads: 1})
	var chosen []int32
	for tok, err := range s.Generate(background, prompt, runtime.GenerateOptions{MaxTokens: 8, IgnoreEOG: true, Sampling: runtime.Sampling{Greedy: true}}) {
		if err != nil {
			t.Fatal(err)
		}
		chosen = append(chosen, tok.ID)
	}
	tokens, err := m.Tokenize(prompt, runtime.TokenizeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	first := len(tokens) - 1
	tokens = append(tokens, chosen[:7]...)
	for _, from := range []int{0, first} {
		if err := s.Reset(); err != nil {
			t.Fatal(err)
		}
		next := from
		err := s.Evaluate(background, tokens, runtime.EvaluateOptions{From: from, Logits: func(i int, logits []float32) error {
			if i != next {
				t.Errorf("logits after token %d, want %d", i, next)
			}
			next++
			if i >= first && largest(logits) != chosen[i-first] {
				t.Errorf("token %d: %d is likeliest, %d was generated", i+1, largest(logits), chosen[i-first])
			}
			return nil
		}})
		if err != nil || next != len(tokens) {
			t.Errorf("from %d: up to %d of %d, %v", from, next, len(tokens), err)
		}
	}
}

func TestEvaluateRefuses(t *testing.T) {
	_, s := tinySession(t, runtime.SessionOptions{Context: 32, Threads: 1})
	cancelled, cancel := context.WithCancel(background)
	cancel()
	enough := errors.New("enough")
	stop := func(int, []float32) error { return enough }
	for _, tt := range []struct {
		name   string
		ctx    context.Context
		tokens []int32
		o      runtime.EvaluateOptions
		want   error
	}{
		{"more tokens than fit", background, make([]int32, 1000), runtime.EvaluateOptions{}, runtime.ErrContextFull},
		{"a beginning before the first", background, []int32{1}, runtime.EvaluateOptions{From: -1}, runtime.ErrOption},
		{"a cancelled context", cancelled, []int32{1}, runtime.EvaluateOptions{}, context.Canceled},
		{"what the visitor refuses", background, []int32{1, 2}, runtime.EvaluateOptions{Logits: stop}, enough},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := s.Evaluate(tt.ctx, tt.tokens, tt.o); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
	if err := s.Evaluate(background, []int32{1 << 30}, runtime.EvaluateOptions{}); err == nil {
		t.Error("a token that is none is no error")
	}
	if err := s.Evaluate(background, nil, runtime.EvaluateOptions{Logits: stop}); err != nil {
		t.Error("no tokens:", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Evaluate(background, []int32{1}, runtime.EvaluateOptions{}); !errors.Is(err, runtime.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}
