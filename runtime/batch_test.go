//go:build cgo

package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/runtime"
)

func batch(t testing.TB, m *runtime.Model, o runtime.BatchOptions) *runtime.Batch {
	t.Helper()
	b, err := m.NewBatch(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// collect reads a request to its end.
func collect(r *runtime.Request) (g generated, err error) {
	for tok, err := range r.Tokens() {
		if err != nil {
			return g, err
		}
		g.ids, g.text, g.finish = append(g.ids, tok.ID), g.text+tok.Text, tok.Finish
	}
	g.stats = r.Stats()
	return g, nil
}

var openings = []string{
	"Once upon a time", "The dog", "Lily and Tom went to the park", "One day a little girl", "It was a sunny day",
	"Once upon a time there was a big red ball", "Mom said", "The cat and the bird", "Ben liked to", "A boy",
}

// together computes prompts at the same time.
func together(t *testing.T, b *runtime.Batch, prompts []string, o runtime.GenerateOptions) []generated {
	t.Helper()
	all := make([]generated, len(prompts))
	var wg sync.WaitGroup
	release := runtime.HoldEvaluations(b) // otherwise the first ones could have ended before the last is made
	defer release()
	for i, p := range prompts {
		r, err := b.Submit(t.Context(), p, o)
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			if all[i], err = collect(r); err != nil {
				t.Errorf("%q: %v", p, err)
			}
		})
	}
	release()
	wg.Wait()
	return all
}

// likely checks that each token of a greedy text is the session's choice too, or within rounding of
// it: a batch has the texts' cells in another order, in which the engine rounds differently.
func likely(t *testing.T, m *runtime.Model, s *runtime.Session, o runtime.GenerateOptions, prompt string, ids []int32) {
	t.Helper()
	const tolerance = 0.1 // logits of other texts' tokens differ by several units
	all := o.Tokens
	if all == nil {
		var err error
		if all, err = m.Tokenize(prompt, runtime.TokenizeOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	from := len(all)
	all = append(all[:from:from], ids...)
	if err := s.Reset(); err != nil {
		t.Fatal(err)
	}
	err := s.Evaluate(t.Context(), all[:len(all)-1], runtime.EvaluateOptions{From: from - 1, Logits: func(i int, logits []float32) error {
		if best := slices.Max(logits); best-logits[all[i+1]] > tolerance {
			t.Errorf("%q: token %d of the answer has a logit of %v, the best has %v", prompt, i+1-from, logits[all[i+1]], best)
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTextsOfABatchAreThoseOfSessions(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	b, s := batch(t, m, runtime.BatchOptions{Slots: 4}), session(t, m, runtime.SessionOptions{})
	o := greedyOptions(30)
	o.IgnoreEOG = true
	for i, got := range together(t, b, openings, o) {
		likely(t, m, s, o, openings[i], got.ids)
		if want := generate(t, s, openings[i], o, 0); slices.Equal(want.ids, got.ids) && got.text != want.text || got.finish != runtime.FinishLength || got.stats.GeneratedTokens != 30 || got.stats.BatchThreads == 0 {
			t.Errorf("%q: %q, %q, %+v", openings[i], got.text, got.finish, got.stats)
		}
	}
	st := b.Stats()
	if st.Requests != 10 || st.GeneratedTokens != 300 || st.Busy != 0 || st.Waiting != 0 || st.Evaluations > 200 {
		t.Errorf("%+v", st)
	}
}

// Every kind of memory holds several texts.
func TestEveryKindOfMemoryHoldsABatch(t *testing.T) {
	for name, file := range ggufcases.Architectures("mamba", "jamba", "gemma3", "gpt-oss") {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "model.gguf")
			if err := os.WriteFile(path, file, 0o600); err != nil {
				t.Fatal(err)
			}
			m := open(t, path, runtime.Options{})
			b, s := batch(t, m, runtime.BatchOptions{Slots: 3}), session(t, m, runtime.SessionOptions{})
			for round := range 2 {
				var wg sync.WaitGroup
				var mu sync.Mutex
				for i := range 5 {
					o := greedyOptions(6)
					o.IgnoreEOG = true
					o.Tokens = []int32{5, 6, 7, 8, 9, int32(10 + i), int32(11 + round)}
					r, err := b.Submit(t.Context(), "", o)
					if err != nil {
						t.Fatal(err)
					}
					wg.Go(func() {
						got, err := collect(r)
						if err != nil {
							t.Error(err)
						}
						mu.Lock() // the session
						defer mu.Unlock()
						likely(t, m, s, o, fmt.Sprint(o.Tokens), got.ids)
					})
				}
				wg.Wait()
			}
		})
	}
}

// A prompt that several requests begin with is computed once, at the same time or later.
func TestABatchComputesACommonPrefixOnce(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	b := batch(t, m, runtime.BatchOptions{Slots: 4})
	o := greedyOptions(4)
	o.IgnoreEOG = true
	prompts := make([]string, 8)
	for i := range prompts {
		prompts[i] = story + " " + openings[i]
	}
	whole, err := m.Tokenize(story, runtime.TokenizeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	all := together(t, b, prompts, o)
	st := b.Stats()
	total := 0
	for _, g := range all {
		total += g.stats.PromptTokens + g.stats.CachedTokens
	}
	if most := total - 7*(len(whole)-1); int(st.PromptTokens) > most || int(st.PromptTokens+st.CachedTokens) != total {
		t.Errorf("%d prompt tokens computed, %d cached, of %d; want at most %d", st.PromptTokens, st.CachedTokens, total, most)
	}
	if st.Kept != st.Used {
		t.Errorf("no request runs: %+v", st)
	}
	s := session(t, m, runtime.SessionOptions{})
	for i, g := range all {
		likely(t, m, s, o, prompts[i], g.ids)
	}
	o.Recompute = true
	for i, g := range together(t, b, prompts[:3], o) {
		if want := all[i].stats; g.stats.CachedTokens != 0 || g.stats.PromptTokens != want.PromptTokens+want.CachedTokens {
			t.Errorf("computed again: %+v, want all of %d and %d tokens", g.stats, want.PromptTokens, want.CachedTokens)
		}
		likely(t, m, s, o, prompts[i], g.ids)
	}
}

// A context that is too small for all makes some wait, or be computed again, but none fails.
func TestABatchWithLittleRoomAnswersAll(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	s := session(t, m, runtime.SessionOptions{})
	b := batch(t, m, runtime.BatchOptions{SessionOptions: runtime.SessionOptions{Context: 256}, Slots: 8})
	o := runtime.GenerateOptions{IgnoreEOG: true, Sampling: runtime.Sampling{Greedy: true}, MaxTokens: 100}
	for i, got := range together(t, b, openings, o) {
		likely(t, m, s, o, openings[i], got.ids)
	}
	if st := b.Stats(); st.Used > 256 || st.Requests != 10 || st.Admitted < 10 {
		t.Errorf("%+v", st)
	}
	before := b.Stats().Recomputed
	o.MaxTokens = math.MaxInt
	together(t, b, openings[:2], o)
	o.MaxTokens = 0
	for i, got := range together(t, b, openings[:3], o) {
		if got.finish != runtime.FinishContext || got.stats.Used != 256 {
			t.Errorf("without a limit: %q, %+v", got.finish, got.stats)
		}
		likely(t, m, s, o, openings[i], got.ids)
	}
	if n := b.Stats().Recomputed; n != before {
		t.Errorf("%d texts gave way that had waited for the whole context", n-before)
	}
}

// Texts that need more room than they asked for give way to older ones.
func TestTheYoungestTextGivesWay(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	b := batch(t, m, runtime.BatchOptions{SessionOptions: runtime.SessionOptions{Context: 1088}, Slots: 2, RequestContext: 700})
	o := runtime.GenerateOptions{IgnoreEOG: true, Sampling: runtime.Sampling{Greedy: true}}
	all := together(t, b, openings[:2], o)
	for i, got := range all {
		if got.finish != runtime.FinishContext || got.stats.Used != 700 {
			t.Errorf("%q: %q, %+v", openings[i], got.finish, got.stats)
		}
	}
	if st := b.Stats(); st.Recomputed != 1 || st.Admitted != 2 {
		t.Errorf("%+v", st)
	}
	for i, got := range all {
		if n, err := m.Tokenize(openings[i], runtime.TokenizeOptions{}); err != nil || got.stats.PromptTokens+got.stats.CachedTokens != len(n) {
			t.Errorf("%q has %d tokens: %+v", openings[i], len(n), got.stats)
		}
	}
	s := session(t, m, runtime.SessionOptions{Context: 1024})
	for i, got := range all {
		likely(t, m, s, o, openings[i], got.ids)
	}
}

// The figures of a request are those of its prompt, also if it gives way and another request has computed
// more of its text.
func TestATextThatGivesWayHasTheFiguresOfItsPrompt(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	b := batch(t, m, runtime.BatchOptions{Slots: 2})
	o := greedyOptions(200)
	o.IgnoreEOG = true
	var both [2]*runtime.Request
	for i := range both {
		var err error
		if both[i], err = b.Submit(t.Context(), prompt, o); err != nil {
			t.Fatal(err)
		}
	}
	n, err := m.Tokenize(prompt, runtime.TokenizeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for tok, err := range both[1].Tokens() {
		if err != nil {
			t.Fatal(err)
		}
		if tok.Finish == "" && b.Stats().Recomputed == 0 {
			defer runtime.FailEvaluationsOfSeveral(b)()
		}
	}
	for _, r := range both {
		if st := r.Stats(); st.PromptTokens+st.CachedTokens != len(n) || st.GeneratedTokens != 200 {
			t.Errorf("a prompt of %d tokens: %+v", len(n), st)
		}
	}
	if st := b.Stats(); st.Recomputed != 1 || st.Admitted != 2 || st.Requests != 2 {
		t.Errorf("%+v", st)
	}
}

func TestABatchRefusesWhatItCannotDo(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	b := batch(t, m, runtime.BatchOptions{Slots: 1, Queue: 1, SessionOptions: runtime.SessionOptions{Context: 256}})
	long := strings.Repeat("word ", 300)
	for _, c := range []struct {
		prompt string
		o      runtime.GenerateOptions
		want   error
	}{
		{prompt, runtime.GenerateOptions{Lookup: true}, runtime.ErrOption},
		{prompt, runtime.GenerateOptions{Continue: true}, runtime.ErrOption},
		{prompt, runtime.GenerateOptions{Overflow: runtime.OverflowShift}, runtime.ErrOption},
		{prompt, runtime.GenerateOptions{MaxTokens: -1}, runtime.ErrOption},
		{prompt, runtime.GenerateOptions{Sampling: runtime.Sampling{Grammar: "root ::= ("}}, runtime.ErrOption},
		{"", runtime.GenerateOptions{Tokens: []int32{1 << 30}}, runtime.ErrOption},
		{long, runtime.GenerateOptions{}, runtime.ErrContextFull},
	} {
		if _, err := b.Submit(t.Context(), c.prompt, c.o); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v", c.o, err)
		}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Submit(gone, prompt, runtime.GenerateOptions{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	endless := runtime.GenerateOptions{IgnoreEOG: true, MaxTokens: 200}
	first, err := b.Submit(t.Context(), prompt, endless)
	if err != nil {
		t.Fatal(err)
	}
	var full *runtime.QueueError
	for { // until one has the slot and another waits
		r, err := b.Submit(t.Context(), prompt, endless)
		if errors.As(err, &full) {
			break
		}
		if n := b.Stats().Waiting; err != nil || n > 2 {
			t.Fatalf("%v, %d wait for a slot, or in a queue of 1", err, n)
		}
		defer func() {
			for range r.Tokens() {
				break
			}
		}()
	}
	if full.Queue != 1 || full.RetryAfter < 1 || !errors.Is(full, runtime.ErrQueueFull) {
		t.Errorf("%+v", full)
	}
	if _, err := collect(first); err != nil {
		t.Error(err)
	}
	if _, err := m.NewBatch(t.Context(), runtime.BatchOptions{Slots: 257}); !errors.Is(err, runtime.ErrOption) {
		t.Error(err)
	}
}

// A request that its caller gave up frees its slot; others go on.
func TestRequestsEndWithTheirCallers(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	b := batch(t, m, runtime.BatchOptions{Slots: 2})
	endless := runtime.GenerateOptions{IgnoreEOG: true}
	for i := range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		r, err := b.Submit(ctx, prompt, endless)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, err := range r.Tokens() {
			if n++; n == 3 && i%2 == 0 {
				break
			}
			if n == 3 {
				cancel()
			}
			if err != nil && (!errors.Is(err, context.Canceled) || n < 3) {
				t.Fatal(n, err)
			}
		}
		cancel()
	}
	if g := together(t, b, openings, greedyOptions(5)); len(g) != len(openings) {
		t.Error(len(g))
	}
}

// A batch at rest gives back the memory of its KV cache.
func TestABatchAtRestGivesItsMemoryBack(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	b := batch(t, m, runtime.BatchOptions{Keep: time.Microsecond})
	for range 2 {
		for i, g := range together(t, b, openings[:2], greedyOptions(5)) {
			if len(g.ids) != 5 {
				t.Errorf("%q: %+v", openings[i], g)
			}
		}
		for b.Stats().Used > 0 { // the test's time limit ends it
			goruntime.Gosched()
		}
	}
}

// An evaluation that fails leaves nothing behind: the next request with the same slot is computed.
func TestABatchGoesOnAfterAFailure(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	b := batch(t, m, runtime.BatchOptions{Slots: 1})
	for _, short := range []bool{false, true, false} {
		restore := runtime.FailEvaluations(b, short)
		r, err := b.Submit(t.Context(), prompt, greedyOptions(5))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := collect(r); err == nil {
			t.Error("an evaluation that failed gave a text")
		}
		restore()
		for _, g := range together(t, b, openings[:2], greedyOptions(5)) {
			if len(g.ids) != 5 {
				t.Errorf("%+v", g)
			}
		}
	}
}

// Where an evaluation has no room, requests are computed one after the other.
func TestABatchWithoutRoomGoesOneByOne(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	b := batch(t, m, runtime.BatchOptions{Slots: 4})
	defer runtime.FailEvaluationsOfSeveral(b)()
	for _, g := range together(t, b, openings, greedyOptions(5)) {
		if len(g.ids) != 5 {
			t.Errorf("%+v", g)
		}
	}
}

// Closing a batch or its model ends the requests, and nothing is left.
func TestClosingABatchDuringUse(t *testing.T) {
	before := goruntime.NumGoroutine()
	for i := range 10 {
		m := open(t, tinyF16, runtime.Options{})
		b := batch(t, m, runtime.BatchOptions{Slots: 2})
		var wg sync.WaitGroup
		started := make(chan struct{}, 5)
		for _, p := range openings[:5] {
			r, err := b.Submit(t.Context(), p, runtime.GenerateOptions{IgnoreEOG: true})
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				for _, err := range r.Tokens() {
					select {
					case started <- struct{}{}:
					default:
					}
					if err != nil && !errors.Is(err, runtime.ErrClosed) {
						t.Error(err)
					}
				}
			})
		}
		<-started
		if i%2 == 0 {
			b.Close()
		}
		m.Close()
		wg.Wait()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if _, err := b.Submit(t.Context(), prompt, runtime.GenerateOptions{}); !errors.Is(err, runtime.ErrClosed) {
			t.Error(err)
		}
		if left := m.Report().Memory.Total.Current; left != 0 {
			t.Errorf("%d bytes are left", left)
		}
	}
	for goruntime.NumGoroutine() > before { // those that have done their work end; the test's time limit ends the wait
		goruntime.Gosched()
	}
}

// The log-probabilities of prompts are those of a session's logits, whatever else a batch computes and keeps.
func TestABatchScoresPrompts(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	b, s := batch(t, m, runtime.BatchOptions{Slots: 4, SessionOptions: runtime.SessionOptions{UBatch: 16}}), session(t, m, runtime.SessionOptions{})
	long := strings.Repeat("Once upon a time there was a big red ball. ", 4)
	other, err := b.Submit(t.Context(), long, greedyOptions(40))
	if err != nil {
		t.Fatal(err)
	}
	for _, only := range []bool{true, false} {
		for _, prompt := range []string{long, "The dog", long + "The end"} {
			o := greedyOptions(3)
			o.IgnoreEOG, o.Logprobs, o.TopLogprobs, o.PromptLogprobs, o.PromptOnly = true, true, 2, true, only
			r, err := b.Submit(t.Context(), prompt, o)
			if err != nil {
				t.Fatal(err)
			}
			got, err := collect(r)
			if err != nil {
				t.Fatal(err)
			}
			ids, err := m.Tokenize(prompt, runtime.TokenizeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			want := 3
			if only {
				want = 0
			}
			if st := got.stats; got.finish != runtime.FinishLength || st.GeneratedTokens != want || len(got.ids) != max(want, 1) || st.PromptTokens != len(ids) || st.CachedTokens != 0 || only && got.text != "" {
				t.Errorf("%q: %q, %v, %+v", prompt, got.text, got.finish, st)
			}
			scored(t, s, ids, r.PromptLogprobs())
		}
	}
	if _, err := collect(other); err != nil {
		t.Error(err)
	}
}

// scored checks the log-probabilities of a prompt.
func scored(t *testing.T, s *runtime.Session, ids []int32, got []runtime.Token) {
	t.Helper()
	if len(got) != len(ids) || got[0].ID != ids[0] || got[0].Logprob != 0 || got[0].Top != nil {
		t.Fatalf("%d tokens of %d: %+v", len(got), len(ids), got)
	}
	if err := s.Reset(); err != nil {
		t.Fatal(err)
	}
	err := s.Evaluate(t.Context(), ids[:len(ids)-1], runtime.EvaluateOptions{Logits: func(i int, logits []float32) error {
		sum, g := 0.0, got[i+1]
		for _, l := range logits {
			sum += math.Exp(float64(l))
		}
		if want := float64(logits[ids[i+1]]) - math.Log(sum); g.ID != ids[i+1] || math.Abs(float64(g.Logprob)-want) > 0.05 || len(g.Top) != 2 || g.Top[0].Logprob < g.Top[1].Logprob || g.Top[0].Logprob < g.Logprob {
			t.Errorf("token %d: %+v, want %v", i+1, g, want)
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
}

// Where the logits of prompts do not fit, fewer tokens are computed at once; a text that gives way is
// scored once.
func TestABatchScoresPromptsWithLittleRoom(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	b, s := batch(t, m, runtime.BatchOptions{Slots: 2}), session(t, m, runtime.SessionOptions{})
	runtime.FailFirst(b, 3)
	o := greedyOptions(200)
	o.IgnoreEOG, o.Logprobs, o.PromptLogprobs, o.TopLogprobs = true, true, true, 2
	prompts := []string{strings.Repeat("Once upon a time there was a big red ball. ", 4), "Lily and Tom went to the park"}
	var both []*runtime.Request
	for _, p := range prompts {
		r, err := b.Submit(t.Context(), p, o)
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, r)
	}
	for tok, err := range both[1].Tokens() {
		if err != nil {
			t.Fatal(err)
		}
		if tok.Finish == "" && b.Stats().Recomputed == 0 {
			defer runtime.FailEvaluationsOfSeveral(b)()
		}
	}
	if _, err := collect(both[0]); err != nil {
		t.Fatal(err)
	}
	if st := b.Stats(); st.Recomputed != 1 {
		t.Errorf("%+v", st)
	}
	for i, r := range both {
		ids, err := m.Tokenize(prompts[i], runtime.TokenizeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		scored(t, s, ids, r.PromptLogprobs())
	}
}

// With a large vocabulary, a prompt that is scored has fewer tokens in each evaluation in which another text
// gets its next token; the most likely tokens may be the whole vocabulary.
func TestScoringALargeVocabularyHoldsOthersBriefly(t *testing.T) {
	const vocabulary, tokens, together = 131072, 400, 16
	m := open(t, model(t, "layers=1,width=32,heads=2,ffn=64,vocab=131072", "q8_0"), runtime.Options{})
	b := batch(t, m, runtime.BatchOptions{Slots: 2, SessionOptions: runtime.SessionOptions{Context: 2048}})
	other, err := b.Submit(t.Context(), "The dog", runtime.GenerateOptions{IgnoreEOG: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range other.Tokens() { // from here on it generates
		if err != nil {
			t.Fatal(err)
		}
		count := runtime.CountEvaluationsOfSeveral(b)
		o := greedyOptions(0)
		o.Logprobs, o.PromptLogprobs, o.PromptOnly = true, true, true
		for i := range tokens {
			o.Tokens = append(o.Tokens, int32(300+i*7))
		}
		r, err := b.Submit(t.Context(), "", o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := collect(r); err != nil {
			t.Fatal(err)
		}
		if n := count(); n < tokens/together {
			t.Errorf("the other text got %d tokens while %d were scored", n, tokens)
		}
		break
	}
	o := greedyOptions(1)
	o.Logprobs, o.TopLogprobs = true, 1<<18
	for tok, err := range b.Generate(t.Context(), "The dog", o) {
		if err != nil || len(tok.Top) != vocabulary || tok.Top[0].ID != tok.ID || tok.Top[0].Logprob != tok.Logprob {
			t.Fatalf("%v: %d alternatives of %v", err, len(tok.Top), tok.ID)
		}
		sum := 0.0
		for i, top := range tok.Top {
			if sum += math.Exp(float64(top.Logprob)); i > 0 && top.Logprob > tok.Top[i-1].Logprob {
				t.Fatalf("alternative %d is more likely than the one before it", i)
			}
		}
		if math.Abs(sum-1) > 1e-3 {
			t.Errorf("the probabilities add up to %v", sum)
		}
	}
}

// A shortage of memory does not slow down the requests after it.
func TestABatchScoresAtOnceAgainAfterAShortage(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	b := batch(t, m, runtime.BatchOptions{})
	o := greedyOptions(0)
	o.Logprobs, o.PromptLogprobs, o.PromptOnly = true, true, true
	evaluations := func() int {
		before := b.Stats().Evaluations
		r, err := b.Submit(t.Context(), strings.Repeat("Once upon a time there was a big red ball. ", 4), o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := collect(r); err != nil {
			t.Fatal(err)
		}
		return int(b.Stats().Evaluations - before)
	}
	first := evaluations()
	runtime.FailFirst(b, 4)
	short, again := evaluations(), evaluations()
	if short <= first || again != first {
		t.Errorf("%d evaluations, %d with too little memory, %d then", first, short, again)
	}
}

// A prompt alone may fill the context, and is kept for the next request.
func TestAPromptAloneIsKept(t *testing.T) {
	m := open(t, tinyF16, runtime.Options{})
	b, s := batch(t, m, runtime.BatchOptions{Slots: 2, SessionOptions: runtime.SessionOptions{Context: 64}}), session(t, m, runtime.SessionOptions{Context: 64})
	ids, err := m.Tokenize(strings.Repeat("Once upon a time there was a big red ball. ", 8), runtime.TokenizeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	o := greedyOptions(0)
	o.PromptOnly, o.Tokens = true, ids[:b.Stats().RequestContext]
	for i, kept := range []int{0, len(o.Tokens) - 1} {
		r, err := b.Submit(t.Context(), "", o)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := collect(r); err != nil || got.text != "" || got.finish != runtime.FinishLength || got.stats.CachedTokens != kept {
			t.Errorf("%d: %v, %+v", i, err, got)
		}
	}
	o.Tokens, o.KeepPrefix = o.Tokens[:20], true
	for i, kept := range []int{0, 19} {
		if got := generate(t, s, "", o, 0); len(got.ids) != 1 || got.ids[0] != -1 || got.finish != runtime.FinishLength || got.stats.CachedTokens != kept || got.stats.GeneratedTokens != 0 {
			t.Errorf("session, %d: %+v", i, got)
		}
	}
	var option *runtime.OptionError
	for _, o := range []runtime.GenerateOptions{{PromptLogprobs: true}, {PromptLogprobs: true, Logprobs: true, KeepPrefix: true}, {PromptLogprobs: true, Logprobs: true}} {
		for _, err := range s.Generate(t.Context(), "The dog", o) {
			if !errors.As(err, &option) || option.Option != "PromptLogprobs" {
				t.Errorf("%+v: %v", o, err)
			}
		}
	}
}

// With the least budget, prompts are scored too: of as few tokens at once as the budget has room for.
func TestABatchScoresPromptsWithinABudget(t *testing.T) {
	const plenty = 4 << 30
	m := open(t, model(t, "large", "q4_0"), runtime.Options{Load: runtime.LoadMMap, MaxMemory: plenty, Session: budgeted})
	so := budgeted
	so.Context = 0
	b, s := batch(t, m, runtime.BatchOptions{Slots: 2, SessionOptions: so}), session(t, m, budgeted)
	var least *memory.Error
	err := m.SetMaxMemory(t.Context(), 1)
	for range 10 { // the heap of the test binary varies
		if !errors.As(err, &least) {
			t.Fatal(err)
		}
		if err = m.SetMaxMemory(t.Context(), least.Requested+64<<10); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	o := greedyOptions(2)
	o.IgnoreEOG, o.Logprobs, o.PromptLogprobs, o.TopLogprobs = true, true, true, 2
	for i := range 100 {
		o.Tokens = append(o.Tokens, int32(3+i*7%200))
	}
	r, err := b.Submit(t.Context(), "", o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := collect(r); err != nil {
		t.Fatal(err)
	}
	if err := m.SetMaxMemory(t.Context(), plenty); err != nil {
		t.Fatal(err)
	}
	scored(t, s, o.Tokens, r.PromptLogprobs())
}
