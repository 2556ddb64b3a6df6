package runtime

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/seed7adf6694/infer/internal/clock"
	"github.com/seed7adf6694/infer/llama"
)

// ErrQueueFull is returned by [Batch.Submit] when too many requests wait; errors.As to
// [*QueueError] gives the numbers.
var ErrQueueFull = errors.New("queue full")

// QueueError is the error of a request that may not even wait.
type QueueError struct {
	Waiting, Queue int           // requests that wait, and the most that may
	RetryAfter     time.Duration // an estimate of when there is room, in whole seconds
}

func (e *QueueError) Error() string {
	return fmt.Sprintf("queue full: %d requests wait, and at most %d may: try again in %v", e.Waiting, e.Queue, e.RetryAfter)
}

// Is makes the error an ErrQueueFull.
func (e *QueueError) Is(target error) bool { return target == ErrQueueFull }

// expectedTokens is how much room in the context a request without MaxTokens waits for, beside its
// prompt.
const expectedTokens = 512

// Request is a generation of a [Batch].
type Request struct {
	b       *Batch
	o       GenerateOptions
	sampler *llama.Sampler
	writer  writer
	text    []llama.Token // the prompt, and what was generated
	prompt  int           // tokens of the prompt
	begun   bool          // in its slot, tokens were computed
	least   int           // tokens for which it waits, after it gave its room to others; 0: it has not
	kept    int           // tokens of the text that were computed before it got its slot
	scored  int           // tokens of the prompt with a log-probability, the first one included; with PromptLogprobs
	ctx     context.Context
	cancel  context.CancelFunc

	began, first time.Duration // on the clock; began: got a slot

	mu     sync.Mutex
	tokens []Token // that were not read yet
	scores []Token // of the prompt
	err    error
	ended  bool
	news   chan struct{}
	stats  Stats
}

// newRequest checks a request and tokenizes its prompt.
func (b *Batch) newRequest(ctx context.Context, prompt string, o GenerateOptions) (*Request, error) {
	m := b.s.model
	switch {
	case o.Lookup, o.Continue, o.Overflow == OverflowShift:
		return nil, optionError("", "", "a batch supports neither Lookup nor Continue nor OverflowShift: use a session")
	}
	if err := o.Check(); err != nil {
		return nil, err
	}
	sampling, err := o.Sampling.withDefaults()
	if err != nil {
		return nil, err
	}
	o.Sampling = sampling
	text, notes, err := m.promptTokens(prompt, true, o)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	if most := b.request; len(text) > most || len(text) == most && !o.PromptOnly {
		return nil, &ContextError{Tokens: len(text), Context: b.request, Most: m.info.Positions}
	}
	for _, t := range text {
		if _, err := m.weights.native.TokenInfo(t); err != nil { // it would fail the whole batch
			return nil, asOption(err)
		}
	}
	sampler, err := m.newSampler(o)
	if err != nil {
		return nil, err
	}
	for _, t := range text {
		if err := sampler.AcceptPrompt(t); err != nil {
			sampler.Close()
			return nil, err
		}
	}
	r := &Request{
		b: b, o: o, sampler: sampler, writer: newWriter(m, o), text: text, prompt: len(text),
		began: clock.Now(), news: make(chan struct{}, 1),
		stats: Stats{Context: b.request, UBatch: b.s.ubatch, FlashAttention: b.s.flash, Seed: *sampling.Seed, Notes: notes},
	}
	if o.PromptLogprobs {
		if err := r.scoreFirst(); err != nil {
			sampler.Close()
			return nil, err
		}
	}
	r.ctx, r.cancel = context.WithCancel(ctx)
	return r, nil
}

// scoreFirst notes the first token of the prompt, which follows nothing.
func (r *Request) scoreFirst() error {
	text, err := piece(r.b.s.model.weights.native, int32(r.text[0]))
	r.scores, r.scored = []Token{{ID: int32(r.text[0]), Text: text}}, 1
	return err
}

// wants reports whether the logits after the i-th token of the text are wanted for the token behind it.
func (r *Request) wants(i int) bool {
	return r.o.PromptLogprobs && i+1 < r.prompt && i+1 >= r.scored
}

// score takes the log-probability of the token behind the i-th one from the logits of an evaluation.
func (r *Request) score(i int, row []float32) (err error) {
	id := r.text[i+1]
	t := Token{ID: int32(id)}
	m := r.b.s.model
	if t.Text, err = piece(m.weights.native, t.ID); err != nil {
		return err
	}
	if t.Logprob, t.Top, err = m.logprobs(row, id, r.o.TopLogprobs); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.scores, r.scored = append(r.scores, t), r.scored+1
	return nil
}

// PromptLogprobs returns the tokens of the prompt, with [GenerateOptions].PromptLogprobs: those that are
// computed by now, which are all of them when the first token of the answer has come. Text is a token's own
// text, names of special tokens included. The first one follows nothing: its Logprob is 0, and its Top is nil.
func (r *Request) PromptLogprobs() []Token {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.scores)
}

// Tokens yields the request's tokens, as [Session.Generate] does. It can be used once. Breaking out of
// the range ends the request. Tokens that are not read yet are kept: a slow reader delays nobody.
func (r *Request) Tokens() iter.Seq2[Token, error] {
	return func(yield func(Token, error) bool) {
		defer func() {
			r.cancel()
			r.b.wakeUp()
		}()
		for {
			tokens, err, ended := r.take()
			for _, t := range tokens {
				if !yield(t, nil) || t.Finish != "" {
					return
				}
			}
			if ended {
				if err != nil {
					yield(Token{ID: -1}, err)
				}
				return
			}
			select {
			case <-r.news:
			case <-r.ctx.Done():
				if !r.hasEnded() { // by the caller: the slot is free after the running evaluation
					yield(Token{ID: -1}, r.ctx.Err())
					return
				}
			}
		}
	}
}

// take returns what has happened since the last call.
func (r *Request) take() (tokens []Token, err error, ended bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	tokens, r.tokens = r.tokens, nil
	return tokens, r.err, r.ended
}

func (r *Request) hasEnded() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended
}

// Stats returns the request's figures, up to its last token. PromptDuration begins when the request
// got a slot. It may be called at any time.
func (r *Request) Stats() Stats {
	of := r.b.s.Stats() // of the evaluations, in which all texts are
	r.mu.Lock()
	defer r.mu.Unlock()
	st := r.stats
	st.Threads, st.BatchThreads = of.Threads, of.BatchThreads
	return st
}

// cached notes how many tokens of the text are computed already. The figures of a request are those of its
// prompt: they stay as they are when it gives way after its first token.
func (r *Request) cached(n int) {
	r.b.stats.CachedTokens += uint64(n) - uint64(r.kept)
	r.kept = n
	if r.writer.count > 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats.CachedTokens, r.stats.PromptTokens = n, 0
}

// computed counts tokens of the prompt.
func (r *Request) computed(n int) {
	if r.writer.count > 0 { // computed again
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats.PromptTokens += n
}

// add hands a token to the reader.
func (r *Request) add(t Token, used int) {
	now := clock.Now()
	r.mu.Lock()
	r.tokens = append(r.tokens, t)
	st := &r.stats
	if r.writer.count <= 1 { // 0 with PromptOnly
		r.first = now
		st.PromptDuration = now - r.began
	} else {
		st.Passes++
	}
	st.GeneratedTokens, st.GenerateDuration, st.Used = r.writer.count, now-r.first, used
	r.mu.Unlock()
	r.tell()
}

// finish ends the request: nil if its last token was added.
func (r *Request) finish(err error) {
	r.mu.Lock()
	r.err, r.ended = err, true
	if err != nil {
		if rest := r.writer.text.Flush(); rest != "" {
			r.tokens = append(r.tokens, Token{ID: -1, Text: rest})
		}
	}
	r.mu.Unlock()
	r.free()
	r.tell()
}

func (r *Request) free() {
	r.sampler.Close()
	r.cancel()
}

func (r *Request) tell() {
	select {
	case r.news <- struct{}{}:
	default:
	}
}

// sharedWith returns how many tokens of a slot's text the request begins with. Its last token is computed
// again, as its logits are needed.
func (r *Request) sharedWith(tokens []llama.Token) int {
	if r.fresh() {
		return 0
	}
	return commonPrefix(tokens, r.text[:len(r.text)-1])
}

// fresh reports whether the whole text is computed for the request.
func (r *Request) fresh() bool { return r.o.Recompute || r.o.PromptLogprobs }

// needs returns the tokens for which a request waits until the context has room.
func (r *Request) needs() int {
	most := expectedTokens
	switch {
	case r.o.PromptOnly:
		most = 0
	case r.o.MaxTokens > 0:
		most = min(r.o.MaxTokens, r.b.request)
	}
	return min(max(r.prompt+most, len(r.text), r.least), r.b.request)
}
