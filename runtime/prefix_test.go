//go:build cgo

package runtime_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/runtime"
)

// The text is the same with and without the prefix; what was kept is not computed again.
func TestAPrefixIsKept(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	s, fresh := session(t, m, runtime.SessionOptions{}), session(t, m, runtime.SessionOptions{})
	o := greedyOptions(12)
	for _, c := range []struct {
		prompt string
		cached int // least
	}{
		{prompt, 0},
		{prompt + ", there was a little girl named Lily.", 4},
		{prompt + ", there was a little dog named Max.", 8},
		{prompt + ", there was a little dog named Max.", 11}, // the last token is computed again
		{"The sun", 0},
	} {
		o.KeepPrefix = false
		want := generate(t, fresh, c.prompt, o, 0)
		o.KeepPrefix = true
		got := generate(t, s, c.prompt, o, 0)
		equal(t, c.prompt, got.ids, want.ids)
		if n := got.stats.CachedTokens; n < c.cached || n+got.stats.PromptTokens != want.stats.PromptTokens {
			t.Errorf("%q: %d of %d tokens kept, %d computed", c.prompt, n, want.stats.PromptTokens, got.stats.PromptTokens)
		}
	}
	var option *runtime.OptionError
	for _, o := range []runtime.GenerateOptions{{Continue: true, KeepPrefix: true}, {Recompute: true, KeepPrefix: true}, {Recompute: true, Continue: true}} {
		for _, err := range s.Generate(t.Context(), prompt, o) {
			if !errors.As(err, &option) {
				t.Error(err)
			}
		}
	}
}

// A conversation whose answers are changed is computed from the end of the last prompt on.
func TestAPrefixEndsWhereAPromptEnded(t *testing.T) {
	for name, file := range ggufcases.Architectures("mamba", "jamba", "gemma3", "gpt-oss") {
		t.Run(name, func(t *testing.T) { everyTurn(t, file) })
	}
}

func everyTurn(t *testing.T, file []byte) {
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	m := open(t, path, runtime.Options{})
	s, fresh := session(t, m, runtime.SessionOptions{Context: 1024}), session(t, m, runtime.SessionOptions{Context: 1024})
	b := batch(t, m, runtime.BatchOptions{Slots: 2, SessionOptions: runtime.SessionOptions{Context: 2048}, RequestContext: 1000})
	o := greedyOptions(40)
	o.IgnoreEOG = true
	kv := m.Report().Memory.Of(memory.PurposeKV).Current
	var text []int32
	turn := func(n int) { // what a user says
		for i := range n {
			text = append(text, int32(5+(7*i+n)%40))
		}
	}
	for i, n := range []int{150, 60, 40, 80} {
		before := len(text)
		turn(n)
		o.Tokens, o.KeepPrefix = text, true
		got := generate(t, s, "", o, 0)
		if c := got.stats.CachedTokens; i > 0 && c < before-31 || got.stats.PromptTokens+c != len(text) {
			t.Errorf("turn %d: %d of %d tokens kept, want %d", i, c, len(text), before-31)
		}
		likely(t, m, fresh, o, name(i), got.ids)
		r, err := b.Submit(t.Context(), "", o)
		if err != nil {
			t.Fatal(err)
		}
		of, err := collect(r)
		if err != nil {
			t.Fatal(err)
		}
		if c := of.stats.CachedTokens; i > 0 && c < before-31 {
			t.Errorf("turn %d of a batch: %d of %d tokens kept", i, c, len(text))
		}
		likely(t, m, fresh, o, name(i), of.ids)
		turn(30) // an answer, in place of what was generated
	}
	if n := m.Report().Memory.Of(memory.PurposeKV).Current - kv; n == 0 || n > 8<<20 {
		t.Errorf("%d bytes for the states", n)
	}
}

func name(turn int) string { return fmt.Sprint("turn ", turn) }

// Recurrent, hybrid and sliding-window models can't always go back; the text is right anyway.
func TestAPrefixIsKeptByEveryKindOfMemory(t *testing.T) {
	kinds := []string{"mamba", "jamba", "gemma3", "gpt-oss", "t5"}
	for name, file := range ggufcases.Architectures(slices.Clone(kinds)...) {
		t.Run(name, func(t *testing.T) { everyPrefix(t, file) })
		kinds = slices.DeleteFunc(kinds, func(k string) bool { return k == name })
	}
	if len(kinds) > 0 {
		t.Error("no model of", kinds)
	}
}

func everyPrefix(t *testing.T, file []byte) {
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	m := open(t, path, runtime.Options{})
	s, fresh := session(t, m, runtime.SessionOptions{}), session(t, m, runtime.SessionOptions{})
	text := []int32{5, 6, 7, 8, 9, 10, 11, 12}
	for _, tokens := range [][]int32{text[:4], text[:3], text, append(text[:6:6], 20, 21), text} {
		o := greedyOptions(6)
		o.IgnoreEOG = true
		o.Tokens = tokens
		want := generate(t, fresh, "", o, 0)
		o.KeepPrefix = true
		got := generate(t, s, "", o, 0)
		equal(t, fmt.Sprint(tokens), got.ids, want.ids)
	}
}

func TestTokensCarryTheirProbabilities(t *testing.T) {
	s := session(t, open(t, tinyF16, runtime.Options{}), runtime.SessionOptions{})
	o := greedyOptions(8)
	o.Logprobs, o.TopLogprobs = true, 5
	for tok, err := range s.Generate(t.Context(), prompt, o) {
		if err != nil {
			t.Fatal(err)
		}
		sum, last := 0.0, float32(0)
		for _, x := range tok.Top {
			sum += math.Exp(float64(x.Logprob))
			if x.Logprob > last {
				t.Error("not in order:", tok.Top)
			}
			last = x.Logprob
		}
		if len(tok.Top) != 5 || tok.Top[0].ID != tok.ID || tok.Top[0].Logprob != tok.Logprob || sum > 1.0001 || tok.Top[0].Text == "" {
			t.Errorf("%+v: the probabilities of the best sum to %v", tok, sum)
		}
	}
	if err := (runtime.GenerateOptions{Logprobs: true, TopLogprobs: 1<<18 + 1}).Check(); !errors.Is(err, runtime.ErrOption) {
		t.Error(err)
	}
}

func TestAPromptOfTokens(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	s := session(t, m, runtime.SessionOptions{})
	want := generate(t, s, prompt, greedyOptions(8), 0)
	o := greedyOptions(8)
	var err error
	if o.Tokens, err = m.Tokenize(prompt, runtime.TokenizeOptions{}); err != nil {
		t.Fatal(err)
	}
	equal(t, "tokens", generate(t, s, "", o, 0).ids, want.ids)
	for _, err := range s.Generate(t.Context(), prompt, o) {
		if !errors.Is(err, runtime.ErrOption) {
			t.Error("a prompt and tokens:", err)
		}
	}
	o.Tokens = []int32{1, 1 << 30}
	for _, err := range s.Generate(t.Context(), "", o) {
		if err == nil {
			t.Error("a token outside of the vocabulary was taken")
		}
	}
}
