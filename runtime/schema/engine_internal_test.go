//go:build cgo

package schema

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
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

var model = sync.OnceValues(func() (*llama.Model, error) {
	return llama.LoadModel(context.Background(), "../../models/tiny/tiny-stories-f16.gguf", llama.ModelParams{VocabOnly: true})
})

// sampler returns a sampler that chooses the most likely token that a grammar allows.
func sampler(t testing.TB, grammar string) *llama.Sampler {
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
	if err := s.AddGrammar(grammar, Root); err != nil {
		t.Fatalf("%v\n%s", err, grammar)
	}
	if err := s.AddGreedy(); err != nil {
		t.Fatal(err)
	}
	return s
}

// allows reports whether a text is one of the grammar; at is how many bytes of it can begin one.
func allows(t testing.TB, s *llama.Sampler, text string) (ok bool, at int) {
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

// write lets the engine write a text of a grammar with random weights. It is cut after most tokens: then
// ended is false.
func write(t testing.TB, s *llama.Sampler, r *rand.Rand, most int) (text string, ended bool) {
	t.Helper()
	if err := s.Reset(); err != nil {
		t.Fatal(err)
	}
	m, _ := model()
	logits := make([]float32, vocabulary)
	var b strings.Builder
	for n := range most {
		for i := range logits {
			logits[i] = float32(r.NormFloat64())
		}
		// Texts of random characters hardly end.
		for _, c := range `"}],:{[0123456789` {
			logits[firstByte+llama.Token(c)] += float32(2 * math.Sqrt(float64(n)/8))
		}
		logits[end] += float32(n) / 8
		token, err := s.Choose(logits)
		if errors.Is(err, llama.ErrTooMuch) {
			return b.String(), false
		}
		if err != nil {
			t.Fatalf("behind %q: %v", b.String(), err)
		}
		if token == end {
			return b.String(), true
		}
		if err := s.Accept(token); err != nil {
			t.Fatal(err)
		}
		piece, err := m.AppendPiece(nil, token, false)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(piece)
	}
	if !utf8.ValidString(b.String()[:max(0, b.Len()-4)]) {
		t.Errorf("no UTF-8: %q", b.String())
	}
	return b.String(), false
}
