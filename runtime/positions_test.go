//go:build cgo

package runtime_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/runtime"
)

// learned are models with a table of 256 positions.
var learned = []string{"gpt2", "starcoder", "mpt"}

// A context is at most the table of positions, and the engine's rounding does not exceed the
// request.
func TestLearnedPositionsBoundTheContext(t *testing.T) {
	for _, name := range learned {
		path := computing(t, name)
		m := open(t, path, runtime.Options{})
		_, err := m.NewSession(t.Context(), runtime.SessionOptions{Context: 257})
		tooLarge(t, name, err)
		_, err = runtime.Plan(t.Context(), path, runtime.Options{Session: runtime.SessionOptions{Context: 512}})
		tooLarge(t, name+", plan", err)
		if f, err := runtime.Plan(t.Context(), path, runtime.Options{Session: runtime.SessionOptions{Context: 100}}); err != nil || f.Modes[0].Context != 100 {
			t.Errorf("%s: plan of a context of 100: %+v, %v", name, f, err)
		}
		for _, context := range []int{0, -1, 100, 256} {
			want := context
			if context <= 0 {
				want = 256
			}
			s := session(t, m, runtime.SessionOptions{Context: context, Threads: 1})
			o := greedyOptions(0)
			o.IgnoreEOG = true
			what := fmt.Sprintf("%s, context of %d", name, context)
			if finish := finishOf(t, s, o); finish != runtime.FinishContext || s.Stats().Context != want || s.Stats().Used != want {
				t.Errorf("%s: ended with %q, %+v", what, finish, s.Stats())
			}
			o.Overflow = runtime.OverflowShift
			count := 0
			var last error
			for tok, err := range s.Generate(t.Context(), prompt, o) {
				if last = err; err == nil && tok.ID >= 0 {
					count++
				}
			}
			var se *runtime.ShiftError
			if !errors.Is(last, runtime.ErrContextFull) || !errors.As(last, &se) || se.Context != want || se.Architecture != name || count < want-20 {
				t.Errorf("%s, shifted: %d tokens, %v", what, count, last)
			} else if strings.Contains(last.Error(), "larger") != (want < 256) {
				t.Errorf("%s: the advice of %q", what, last)
			}
			_, err := s.Complete(t.Context(), strings.Repeat("Hello world ", 100), greedyOptions(1))
			if !errors.Is(err, runtime.ErrContextFull) || strings.Contains(err.Error(), "larger") != (want < 256) {
				t.Errorf("%s, a longer prompt: %v", what, err)
			}
		}
	}
}

func tooLarge(t *testing.T, what string, err error) {
	t.Helper()
	var pe *runtime.PositionsError
	if !errors.Is(err, runtime.ErrOption) || !errors.As(err, &pe) || pe.Positions != 256 || !strings.Contains(err.Error(), "256") {
		t.Errorf("%s: %v, want a PositionsError of 256", what, err)
	}
}

// A session has the requested context, however small.
func TestContextIsWhatWasAskedFor(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	for _, context := range []int{1, 2, 7, 100, 300} {
		s := session(t, m, runtime.SessionOptions{Context: context, Threads: 1})
		if got := s.Stats().Context; got != context {
			t.Errorf("context of %d, asked for %d", got, context)
		}
		var ce *runtime.ContextError
		o := greedyOptions(0)
		o.IgnoreEOG = true
		if context < 6 {
			if _, err := s.Complete(t.Context(), prompt, o); !errors.As(err, &ce) || ce.Context != context {
				t.Errorf("context of %d: %v", context, err)
			}
			continue
		}
		if finish := finishOf(t, s, o); finish != runtime.FinishContext || s.Stats().Used != context {
			t.Errorf("context of %d: ended with %q and %d tokens", context, finish, s.Stats().Used)
		}
	}
}

// An empty prompt with Continue goes on with the text, even if the model's memory can't drop
// the last token.
func TestContinueWithNothingNew(t *testing.T) {
	for _, name := range []string{"llama", "rwkv7", "mamba", "jamba"} {
		m := open(t, computing(t, name), runtime.Options{})
		s := session(t, m, runtime.SessionOptions{Context: 128, Threads: 1})
		o := greedyOptions(12)
		o.IgnoreEOG = true
		ids := func(prompt string, o runtime.GenerateOptions) (ids []int32) {
			for tok, err := range s.Generate(t.Context(), prompt, o) {
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				ids = append(ids, tok.ID)
			}
			return ids
		}
		want := ids("Hello world", o)
		tokens, err := m.Tokenize("Hello world", runtime.TokenizeOptions{})
		memtest.Need(t, err)
		memtest.Need(t, s.Reset())
		memtest.Need(t, s.Evaluate(t.Context(), tokens, runtime.EvaluateOptions{}))
		o.Continue, o.PlainPrompt = true, true
		if got := ids("", o); !slices.Equal(got, want) {
			t.Errorf("%s: %v, at once %v", name, got, want)
		}
	}
}

func TestPromptWithTwoBOS(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	s := session(t, m, runtime.SessionOptions{Context: 64, Threads: 1})
	for _, tt := range []struct {
		prompt string
		plain  bool
		notes  int
	}{{"<s>Once upon", false, 1}, {"Once upon", false, 0}, {"Once<s>", false, 0}, {"<s>Once upon", true, 0}} {
		o := greedyOptions(1)
		o.PlainPrompt = tt.plain
		_, err := s.Complete(t.Context(), tt.prompt, o)
		notes := s.Stats().Notes
		if err != nil || len(notes) != tt.notes || tt.notes == 1 && !strings.Contains(notes[0], "<s>") {
			t.Errorf("%q: %q, %v", tt.prompt, notes, err)
		}
	}
}

func TestAContextBeyondTheTrainedOneIsNoted(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	for context, want := range map[int]int{512: 0, 513: 1} { // trained with 512
		s := session(t, m, runtime.SessionOptions{Context: context, Threads: 1})
		_, err := s.Complete(t.Context(), "Once", greedyOptions(1))
		if notes := s.Stats().Notes; err != nil || len(notes) != want || want == 1 && !strings.Contains(notes[0], "512") {
			t.Errorf("%d tokens: %q, %v", context, notes, err)
		}
	}
}

// A cache type whose blocks do not divide the head size is an error, with any attention.
func TestCacheTypesThatHeadsDoNotAllow(t *testing.T) {
	m := open(t, computing(t, "llama"), runtime.Options{}) // heads of 16
	for _, o := range []runtime.SessionOptions{
		{CacheTypeK: "q8_0", CacheTypeV: "q8_0"}, {CacheTypeK: "q8_0"}, {CacheTypeV: "q4_0"},
		{CacheTypeK: "q8_0", FlashAttention: llama.FlashOff}, {CacheTypeK: "q4_0", CacheTypeV: "q4_0", FlashAttention: llama.FlashOn}, {CacheTypeV: "q8_0", FlashAttention: llama.FlashOn},
	} {
		o.Context, o.Threads = 64, 1
		s, err := m.NewSession(t.Context(), o)
		if err == nil {
			g := greedyOptions(80)
			g.IgnoreEOG, g.Overflow = true, runtime.OverflowShift
			_, err = s.Complete(t.Context(), "Hello world", g)
			s.Close()
		}
		var e *runtime.OptionError
		if !errors.Is(err, runtime.ErrOption) || !errors.As(err, &e) || !strings.HasSuffix(e.Option, " cache type") || !strings.Contains(err.Error(), " 16") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
