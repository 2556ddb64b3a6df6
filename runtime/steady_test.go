//go:build cgo

package runtime_test

import (
	"context"
	goruntime "runtime"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/runtime"
)

func TestATokenAllocatesNoMoreThanItsText(t *testing.T) {
	if memtest.Race {
		t.Skip("the race detector has pools forget at random")
	}
	m, s := tinySession(t, runtime.SessionOptions{Context: 1024, Threads: 1})
	word, err := m.Tokenize("house", runtime.TokenizeOptions{Plain: true, NoSpecial: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	o := runtime.GenerateOptions{IgnoreEOG: true, Sampling: runtime.Sampling{Seed: new(uint32), LogitBias: map[int32]float32{word[len(word)-1]: 1000}}}
	allocations := func(tokens int) uint64 {
		o.MaxTokens = tokens
		var before, after goruntime.MemStats
		goruntime.ReadMemStats(&before)
		for tok, err := range s.Generate(ctx, prompt, o) {
			if err != nil {
				t.Fatal(err)
			}
			if tok.Text == "" {
				t.Fatal("a token without text")
			}
		}
		goruntime.ReadMemStats(&after)
		return after.Mallocs - before.Mallocs
	}
	allocations(900) // slices grow to what they need
	const few, many = 100, 900
	// A tenth, as the process's memory is sampled several times a second.
	if a, b := allocations(few), allocations(many); b > a+(many-few)*11/10 {
		t.Errorf("%d allocations for %d tokens, %d for %d", a, few, b, many)
	}
	token := []int32{5}
	if n := testing.AllocsPerRun(100, func() {
		if err := s.Evaluate(ctx, token, runtime.EvaluateOptions{}); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%g allocations to evaluate a token", n)
	}
}
