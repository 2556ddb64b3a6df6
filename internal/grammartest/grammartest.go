//go:build cgo

// Package grammartest lets the engine write texts of a grammar with random weights, and tells whether it
// allows a text.
package grammartest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/seed7adf6694/infer/llama"
)

// The embedded model's vocabulary has a token for each byte.
const (
	vocabulary = 1536
	end        = llama.Token(2)
	firstByte  = llama.Token(3)
)

// model is the vocabulary of the embedded model, in this module.
var model = sync.OnceValues(func() (*llama.Model, error) {
	for dir := "."; len(dir) < 32; dir = filepath.Join(dir, "..") {
		path := filepath.Join(dir, "models", "tiny", "tiny-stories-f16.gguf")
		if _, err := os.Stat(path); err == nil {
			return llama.LoadModel(context.Background(), path, llama.ModelParams{VocabOnly: true})
		}
	}
	return nil, fmt.Errorf("no models/tiny in the folders above: %w", os.ErrNotExist)
})

// Sampler returns a sampler that chooses the most likely token that a grammar allows.
func Sampler(t testing.TB, grammar, root string) *llama.Sampler {
	t.Helper()
	m, err := model()
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.NewSampler()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := errors.Join(s.AddGrammar(grammar, root), s.AddGreedy()); err != nil {
		t.Fatalf("%v\n%s", err, grammar)
	}
	return s
}

// Allows reports whether a text is one of the grammar; at is how many bytes of it can begin one.
func Allows(t testing.TB, s *llama.Sampler, text string) (ok bool, at int) {
	t.Helper()
	if err := s.Reset(); err != nil {
		t.Fatal(err)
	}
	for i := range len(text) {
		if err := s.Accept(firstByte + llama.Token(text[i])); err != nil {
			return false, i
		}
	}
	return s.Accept(end) == nil, len(text)
}

// Likelier makes characters, and the end, likelier behind a text: texts of random characters hardly end.
type Likelier func(text []byte, tokens int, character func(c byte, by float64), end func(by float64))

// Write lets the engine write a text of a grammar with random weights. It is cut after most tokens: then
// ended is false. The error is an [llama.ErrTooMuch].
func Write(t testing.TB, s *llama.Sampler, r *rand.Rand, most int, likelier Likelier) (text string, ended bool, err error) {
	t.Helper()
	if err := s.Reset(); err != nil {
		t.Fatal(err)
	}
	m, err := model()
	if err != nil {
		t.Fatal(err)
	}
	logits := make([]float32, vocabulary)
	character := func(c byte, by float64) { logits[firstByte+llama.Token(c)] += float32(by) }
	ending := func(by float64) { logits[end] += float32(by) }
	var b []byte
	for n := range most {
		for i := range logits {
			logits[i] = float32(r.NormFloat64())
		}
		likelier(b, n, character, ending)
		token, err := s.Choose(logits)
		switch {
		case errors.Is(err, llama.ErrTooMuch):
			return string(b), false, err
		case err != nil:
			t.Fatalf("behind %q: %v", b, err)
		case token == end:
			return string(b), true, nil
		}
		if err := s.Accept(token); err != nil {
			t.Fatal(err)
		}
		if b, err = m.AppendPiece(b, token, false); err != nil {
			t.Fatal(err)
		}
	}
	if !utf8.Valid(b[:max(0, len(b)-4)]) {
		t.Errorf("no UTF-8: %q", b)
	}
	return string(b), false, nil
}
