//go:build cgo

package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/runtime"
)

func greedyOptions(n int) runtime.GenerateOptions {
	return runtime.GenerateOptions{MaxTokens: n, Sampling: runtime.Sampling{Greedy: true}}
}

func TestTheModelTellsAStory(t *testing.T) {
	m := open(t, "", runtime.Options{})
	s := session(t, m, runtime.SessionOptions{})
	text, err := s.Complete(t.Context(), prompt, greedyOptions(60))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text, "there lived") {
		t.Errorf("text: %q", text)
	}
	st := s.Stats()
	if st.PromptTokens < 4 || st.GeneratedTokens != 60 || st.Used < 60 || st.PromptRate() <= 0 || st.Rate() <= 0 {
		t.Errorf("figures: %+v", st)
	}
}

func TestASeedDeterminesTheText(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	seed := uint32(42)
	o := runtime.GenerateOptions{MaxTokens: 40, Sampling: runtime.Sampling{Seed: &seed}}
	var first string
	for i := range 3 {
		s := session(t, m, runtime.SessionOptions{Context: 128, Threads: min(i, goruntime.NumCPU())})
		for range 2 { // a new session and a used one
			text, err := s.Complete(t.Context(), prompt, o)
			if err != nil {
				t.Fatal(err)
			}
			if first == "" {
				first = text
			}
			if text != first {
				t.Errorf("session %d: %q, want %q", i, text, first)
			}
		}
	}
	s := session(t, m, runtime.SessionOptions{Context: 128})
	other := uint32(43)
	o.Sampling.Seed = &other
	if text, _ := s.Complete(t.Context(), prompt, o); text == first {
		t.Error("another seed gives the same text")
	}
}

func TestSessionsRunConcurrently(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{ChunkSize: 1 << 20})
	want, err := session(t, m, runtime.SessionOptions{Context: 128, Threads: 1}).Complete(t.Context(), prompt, greedyOptions(30))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			s, err := m.NewSession(t.Context(), runtime.SessionOptions{Context: 128, Threads: 1})
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			for range 3 {
				if got, err := s.Complete(t.Context(), prompt, greedyOptions(30)); err != nil || got != want {
					t.Errorf("%q, %v", got, err)
				}
				if _, err := m.Tokenize("a house by the river", runtime.TokenizeOptions{}); err != nil {
					t.Error(err)
				}
				m.Report()
				s.Stats()
			}
		})
	}
	wg.Wait()
}

func TestPromptAndContext(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	s := session(t, m, runtime.SessionOptions{Context: 64})
	long := strings.Repeat("once upon a time ", 100)
	_, err := s.Complete(t.Context(), long, greedyOptions(1))
	var ce *runtime.ContextError
	if !errors.Is(err, runtime.ErrContextFull) || !errors.As(err, &ce) || ce.Context != s.Stats().Context || ce.Tokens < 300 ||
		!strings.Contains(err.Error(), fmt.Sprint(ce.Tokens)) || !strings.Contains(err.Error(), fmt.Sprint(ce.Context)) {
		t.Errorf("a prompt longer than the context: %v", err)
	}

	o := greedyOptions(0)
	o.IgnoreEOG = true
	finish := finishOf(t, s, o)
	if finish != runtime.FinishContext {
		t.Errorf("a full context ended with %q", finish)
	}
	o.Overflow, o.MaxTokens = runtime.OverflowShift, 3*s.Stats().Context
	if finish := finishOf(t, s, o); finish != runtime.FinishLength {
		t.Errorf("a shifted context ended with %q", finish)
	}
	if st := s.Stats(); st.GeneratedTokens != o.MaxTokens || st.Used > st.Context {
		t.Errorf("figures after shifting: %+v", st)
	}
}

func finishOf(t *testing.T, s *runtime.Session, o runtime.GenerateOptions) runtime.FinishReason {
	t.Helper()
	return lastOf(t, s, o).Finish
}

// lastOf returns the last token of a generation.
func lastOf(t *testing.T, s *runtime.Session, o runtime.GenerateOptions) (last runtime.Token) {
	t.Helper()
	for tok, err := range s.Generate(t.Context(), prompt, o) {
		if err != nil {
			t.Fatal(err)
		}
		last = tok
	}
	return last
}

func TestStopStringsDoNotLeak(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	s := session(t, m, runtime.SessionOptions{Context: 256})
	whole, err := s.Complete(t.Context(), prompt, greedyOptions(80))
	if err != nil {
		t.Fatal(err)
	}
	for _, stop := range []string{".", "\"", " named", "bicycle", "One day, "} {
		i := strings.Index(whole, stop)
		if i < 0 {
			continue
		}
		o := greedyOptions(80)
		o.Stop = []string{"this never comes", stop}
		if got, err := s.Complete(t.Context(), prompt, o); err != nil || got != whole[:i] {
			t.Errorf("stop %q: %q, want %q", stop, got, whole[:i])
		}
		if last := lastOf(t, s, o); last.Finish != runtime.FinishStop || last.Stop != stop {
			t.Errorf("stop %q: ended with %q, %q", stop, last.Finish, last.Stop)
		}
	}
}

func TestContinueGoesOnWithTheText(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	s := session(t, m, runtime.SessionOptions{Context: 256})
	whole, err := s.Complete(t.Context(), prompt, greedyOptions(40))
	if err != nil {
		t.Fatal(err)
	}
	first, err := s.Complete(t.Context(), prompt, greedyOptions(15))
	if err != nil {
		t.Fatal(err)
	}
	o := greedyOptions(25)
	o.Continue = true
	second, err := s.Complete(t.Context(), "", o)
	if err != nil {
		t.Fatal(err)
	}
	if first+second != whole {
		t.Errorf("%q then %q, want %q", first, second, whole)
	}
	if err := s.Reset(); err != nil {
		t.Fatal(err)
	}
	if again, _ := s.Complete(t.Context(), prompt, greedyOptions(15)); again != first {
		t.Errorf("after a reset %q, want %q", again, first)
	}
}

func TestCancellationStopsWithinAToken(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	s := session(t, m, runtime.SessionOptions{Context: 512})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	var last error
	for _, err := range s.Generate(ctx, prompt, runtime.GenerateOptions{IgnoreEOG: true}) {
		if err != nil {
			last = err
			continue
		}
		if n++; n == 5 {
			cancel()
		}
	}
	if !errors.Is(last, context.Canceled) || n != 5 {
		t.Errorf("%d tokens, %v", n, last)
	}
	if _, err := s.Complete(t.Context(), prompt, greedyOptions(5)); err != nil {
		t.Errorf("the session is unusable after a cancellation: %v", err)
	}
}

func TestClosingDuringUse(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	for name, act := range map[string]func(*runtime.Session){
		"the session in its own loop": func(s *runtime.Session) { s.Close() },
		"the session elsewhere": func(s *runtime.Session) {
			done := make(chan struct{})
			go func() { s.Close(); close(done) }()
			<-done
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := session(t, m, runtime.SessionOptions{Context: 128})
			n := 0
			for _, err := range s.Generate(t.Context(), prompt, runtime.GenerateOptions{IgnoreEOG: true}) {
				if err != nil {
					if !errors.Is(err, runtime.ErrClosed) {
						t.Error(err)
					}
					break
				}
				if n++; n == 3 {
					act(s)
				}
				if n > 4 {
					t.Fatal("the generation goes on")
				}
			}
			if _, err := s.Complete(t.Context(), prompt, greedyOptions(1)); !errors.Is(err, runtime.ErrClosed) {
				t.Errorf("a closed session: %v", err)
			}
		})
	}
	t.Run("the model", func(t *testing.T) {
		m := open(t, tinyF16, runtime.Options{})
		s := session(t, m, runtime.SessionOptions{Context: 128})
		var got error
		for _, err := range s.Generate(t.Context(), prompt, runtime.GenerateOptions{IgnoreEOG: true}) {
			if got = err; err != nil {
				break
			}
			m.Close()
		}
		if !errors.Is(got, runtime.ErrClosed) {
			t.Errorf("generating on a closed model: %v", got)
		}
		if _, err := m.NewSession(t.Context(), runtime.SessionOptions{}); !errors.Is(err, runtime.ErrClosed) {
			t.Errorf("session of a closed model: %v", err)
		}
		if _, err := m.Tokenize("x", runtime.TokenizeOptions{}); !errors.Is(err, runtime.ErrClosed) {
			t.Errorf("tokenising on a closed model: %v", err)
		}
		m.Report()
	})
	t.Run("everything at once", func(t *testing.T) {
		m := open(t, tinyF16, runtime.Options{})
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				s, err := m.NewSession(t.Context(), runtime.SessionOptions{Context: 64, Threads: 1})
				if err != nil {
					if !errors.Is(err, runtime.ErrClosed) {
						t.Error(err)
					}
					return
				}
				if _, err := s.Complete(t.Context(), prompt, runtime.GenerateOptions{}); err != nil && !errors.Is(err, runtime.ErrClosed) {
					t.Error(err)
				}
				s.Close()
			})
		}
		m.Close()
		wg.Wait()
	})
}

func TestASessionIsNotMadeForACancelledCall(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.NewSession(ctx, runtime.SessionOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if kv := m.Report().Memory.Of(memory.PurposeKV); kv.Current != 0 {
		t.Errorf("%+v", kv)
	}
}

func TestOneCallAtATime(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	s := session(t, m, runtime.SessionOptions{Context: 128})
	for _, err := range s.Generate(t.Context(), prompt, greedyOptions(2)) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Complete(t.Context(), prompt, greedyOptions(1)); !errors.Is(err, runtime.ErrBusy) {
			t.Errorf("a call during another: %v", err)
		}
		if err := s.Reset(); !errors.Is(err, runtime.ErrBusy) {
			t.Errorf("a reset during a call: %v", err)
		}
	}
}

// Hostile requests are errors.
func TestRequestsThatMakeNoSense(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, o := range []runtime.SessionOptions{{Context: -2}, {Context: 1 << 30}, {Threads: -1}, {Threads: 1 << 20}, {UBatch: -5}, {Batch: -5}, {CacheTypeK: "nonsense"}} {
		if s, err := m.NewSession(t.Context(), o); err == nil {
			s.Close()
			t.Errorf("%+v was accepted", o)
		}
	}
	s := session(t, m, runtime.SessionOptions{Context: 64})
	for name, o := range map[string]runtime.GenerateOptions{
		"NaN temperature":             {Sampling: runtime.Sampling{Temperature: nan}},
		"infinite temperature":        {Sampling: runtime.Sampling{Temperature: inf}},
		"negative temperature":        {Sampling: runtime.Sampling{Temperature: -1}},
		"NaN top-p":                   {Sampling: runtime.Sampling{TopP: nan}},
		"top-k of -7":                 {Sampling: runtime.Sampling{TopK: -7}},
		"mirostat 3":                  {Sampling: runtime.Sampling{Mirostat: 3}},
		"NaN logit bias":              {Sampling: runtime.Sampling{LogitBias: map[int32]float32{5: nan}}},
		"bias outside the vocabulary": {Sampling: runtime.Sampling{LogitBias: map[int32]float32{99999: 1}}},
		"negative length":             {MaxTokens: -1},
		"empty stop string":           {Stop: []string{""}},
		"invalid stop string":         {Stop: []string{"\xff"}},
		"left-recursive grammar":      {Sampling: runtime.Sampling{Grammar: "root ::= root \"a\""}},
		"grammar without root":        {Sampling: runtime.Sampling{Grammar: "a ::= \"b\""}},
		"broken grammar":              {Sampling: runtime.Sampling{Grammar: "root ::= ("}},
		"grammar of deep nesting":     {Sampling: runtime.Sampling{Grammar: "root ::= " + strings.Repeat("(", 200000) + "\"a\"" + strings.Repeat(")", 200000)}},
		"grammar that repeats a lot":  {Sampling: runtime.Sampling{Grammar: "root ::= ((\"a\"{1,100000}){1,100000}){1,100000}"}},
	} {
		if _, err := s.Complete(t.Context(), prompt, o); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	for name, p := range map[string]string{"empty": "", "NULs": "a\x00b\x00", "invalid UTF-8": "\xff\xfe\x80abc", "a lone surrogate": "\xed\xa0\x80"} {
		if _, err := s.Complete(t.Context(), p, greedyOptions(3)); err != nil {
			t.Errorf("prompt of %s: %v", name, err)
		}
	}
	if _, err := s.Complete(t.Context(), strings.Repeat("a", 10<<20), greedyOptions(1)); !errors.Is(err, runtime.ErrContextFull) {
		t.Errorf("a prompt of 10 MB: %v", err)
	}
	one := session(t, m, runtime.SessionOptions{Context: 1})
	if _, err := one.Complete(t.Context(), prompt, greedyOptions(1)); one.Stats().Context < 8 && !errors.Is(err, runtime.ErrContextFull) {
		t.Errorf("a context of 1: %v", err)
	}
	// A grammar that never ends is ended by the context.
	endless := runtime.GenerateOptions{Sampling: runtime.Sampling{Grammar: "root ::= \"a\" root | \"b\" root"}}
	if f := finishOf(t, s, endless); f != runtime.FinishContext {
		t.Errorf("an endless grammar ended with %q", f)
	}
}

func TestAGrammarIsObeyed(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	s := session(t, m, runtime.SessionOptions{Context: 128})
	text, err := s.Complete(t.Context(), prompt, runtime.GenerateOptions{MaxTokens: 20, Sampling: runtime.Sampling{Grammar: `root ::= ("yes" | "no") "."`}})
	if err != nil || text != "yes." && text != "no." {
		t.Errorf("%q, %v", text, err)
	}
}

func TestTokenizeAndDetokenize(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	v, err := runtime.OpenVocabulary(t.Context(), tinyF16)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for _, text := range []string{"Once upon a time", "a  b\n\tc", "naïve €uro 😀", ""} {
		ids, err := m.Tokenize(text, runtime.TokenizeOptions{NoSpecial: true})
		if err != nil {
			t.Fatal(err)
		}
		same, err := v.Tokenize(text, runtime.TokenizeOptions{NoSpecial: true})
		if err != nil || !slices.Equal(ids, same) {
			t.Errorf("%q: model %v, vocabulary %v, %v", text, ids, same, err)
		}
		back, err := m.Detokenize(ids)
		if err != nil || strings.TrimPrefix(back, " ") != text {
			t.Errorf("%q came back as %q, %v", text, back, err)
		}
	}
	with, _ := m.Tokenize("a", runtime.TokenizeOptions{})
	without, _ := m.Tokenize("a", runtime.TokenizeOptions{NoSpecial: true})
	if len(with) != len(without)+1 {
		t.Errorf("with special tokens %v, without %v", with, without)
	}
}

func TestEmbeddingsOfSimilarTextsAreNear(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	e, err := m.Embed(t.Context(), "Max the dog had a red ball.", "Rex the dog had a blue ball.", "At night the stars came out over the sea.")
	if err != nil {
		t.Fatal(err)
	}
	dot := func(a, b []float32) (d float64) {
		for i := range a {
			d += float64(a[i]) * float64(b[i])
		}
		return d
	}
	if n := dot(e[0], e[0]); math.Abs(n-1) > 1e-3 {
		t.Errorf("length %g", n)
	}
	if near, far := dot(e[0], e[1]), dot(e[0], e[2]); near <= far {
		t.Errorf("similar texts %g, others %g", near, far)
	}
}

// A grammar with triggers holds from the first of them on.
func TestAGrammarHoldsFromATriggerOn(t *testing.T) {
	s := session(t, open(t, tinyF16, runtime.Options{}), runtime.SessionOptions{})
	o := greedyOptions(40)
	free, err := s.Complete(t.Context(), prompt, o)
	if err != nil {
		t.Fatal(err)
	}
	before, _, ok := strings.Cut(free, "lived")
	if !ok {
		t.Fatalf("the model writes %q", free)
	}
	o.Sampling.Grammar, o.Sampling.GrammarTriggers = `root ::= "lived in a " ("box" | "fox")`, []string{"never", "lived"}
	got, err := s.Complete(t.Context(), prompt, o)
	if err != nil || got != before+"lived in a box" && got != before+"lived in a fox" {
		t.Errorf("%q, %v; without a grammar %q", got, err, free)
	}
	for _, triggers := range [][]string{{}, {""}, {"a\x00"}, {"\xff"}} {
		o.Sampling.GrammarTriggers = triggers
		if err := o.Check(); !errors.Is(err, runtime.ErrOption) {
			t.Errorf("%q: %v", triggers, err)
		}
	}
	// A token that has more than the word goes on as the grammar allows, or is not chosen.
	o.Sampling.Grammar, o.Sampling.GrammarTriggers = `root ::= "liv" ("ing" | "er") " room."`, []string{"liv"}
	got, err = s.Complete(t.Context(), prompt, o)
	if _, after, ok := strings.Cut(got, "liv"); err != nil || ok && after != "ing room." && after != "er room." {
		t.Errorf("%q, %v", got, err)
	}
	o.Sampling = runtime.Sampling{GrammarTriggers: []string{"a"}}
	if err := o.Check(); !errors.Is(err, runtime.ErrOption) {
		t.Error("triggers without a grammar:", err)
	}
}
