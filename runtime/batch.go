package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/seed7adf6694/infer/internal/clock"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/runtime/internal/batching"
)

// Defaults of [BatchOptions].
const (
	defaultSlots = 8
	mostSlots    = 256 // LLAMA_MAX_SEQ
	defaultQueue = 128
	slotContext  = 2048 // tokens of the default context for each slot
)

// BatchOptions are the options of [Model.NewBatch].
type BatchOptions struct {
	// SessionOptions are those of the context in which all texts are computed. Context is the
	// number of tokens that the texts share; 0: 2048 for each slot, at most 32768, and fewer if
	// memory is short. Embeddings is refused.
	SessionOptions
	// Slots is how many texts are computed at the same time; 0: 8, at most 256.
	Slots int
	// Queue is how many requests may wait for a slot or for room in the context; 0: 128.
	Queue int
	// RequestContext is the most tokens of one request, prompt and answer; 0: the trained
	// context. It is at most Context.
	RequestContext int
	// PromptTokens is how many tokens of prompts are computed in an evaluation in which other
	// texts get their next token; 0: 64. More is faster for prompts, and makes the others
	// wait longer. Of prompts whose log-probabilities are asked for
	// ([GenerateOptions].PromptLogprobs) it is at most as many as have 2 million logits, and at
	// least one: 16 with a vocabulary of 131072.
	PromptTokens int
	// Keep is how long the texts of requests are kept for their prefixes when there are no more
	// requests; 0: 5 minutes. Then the memory of the KV cache is given back to the system until
	// the next request.
	Keep time.Duration
}

// Batch computes the texts of several requests together (continuous batching): each evaluation
// has the next token of every text and a part of the prompts that have come. It is safe for
// concurrent use.
//
// Texts share one KV cache. A prefix that a prompt has in common with another text is computed
// once, and kept after the request until its room is needed. A request begins when a slot is free
// and the context has room for its prompt and MaxTokens (512 if that is not set); until then it
// waits, in the order of arrival. If the context is full nevertheless, the youngest text gives its
// room to the others, and is computed again later.
//
// A text may differ from that of a [Session] where two tokens are almost equally likely: the
// engine rounds differently if it computes several texts at once.
type Batch struct {
	s       *Session
	request int // most tokens of a request
	queue   int // most requests that wait
	prompts int // prompt tokens beside other texts
	outputs int // most tokens of prompts in an evaluation whose logits are read; fewer once they do not fit
	most    int // outputs at first, and for each request again
	beside  int // outputs where other texts wait for their next token
	logits  []float32
	keep    time.Duration
	end     context.CancelFunc
	life    context.Context
	done    chan struct{} // closed when the loop has ended
	wake    chan struct{}

	mu      sync.Mutex // slots and cells are changed by the loop alone
	closed  bool
	waiting []*Request
	full    bool   // an evaluation had no room: until a request ends, no other begins
	placed  uint64 // how many times a request has got a slot
	slots   []*slot
	cells   batching.Cells
	stats   BatchStats
	taken   time.Duration        // of the requests that have ended, in slots
	fault   func(rows int) error // for tests; nil: none
}

// slot is the place of a text in the context.
type slot struct {
	id     llama.SeqID
	tokens []llama.Token // that are computed; kept after the request for their prefix
	cells  *batching.Text
	marks  marks
	r      *Request
	order  uint64 // of the request, by the time at which it got the slot; of a free slot, when it was used last
}

// NewBatch makes a batch, which takes the memory of a session with these options. Its errors and
// what it lowers are those of [Model.NewSession]. Models that do not generate text, and those with an
// encoder, are refused.
func (m *Model) NewBatch(ctx context.Context, o BatchOptions) (*Batch, error) {
	if err := o.check(m); err != nil {
		return nil, err
	}
	so := o.SessionOptions
	so.slots = cmp.Or(o.Slots, defaultSlots)
	if so.Batch > 0 {
		so.Batch = max(so.Batch, so.slots) // a token for each text
	}
	s, err := m.NewSession(ctx, so)
	if err != nil {
		return nil, err
	}
	if !s.ctx.Remembers() {
		s.Close()
		return nil, &TaskError{Architecture: m.info.Architecture, Task: TaskEmbeddings, Asked: TaskText}
	}
	b := &Batch{
		s: s, queue: cmp.Or(o.Queue, defaultQueue), prompts: cmp.Or(o.PromptTokens, 64),
		keep: cmp.Or(o.Keep, 5*time.Minute), request: s.context, done: make(chan struct{}), wake: make(chan struct{}, 1),
	}
	if most := cmp.Or(o.RequestContext, m.info.CtxTrain); most > 0 {
		b.request = min(most, s.context)
	}
	vocabulary, err := m.weights.native.VocabSize()
	if err != nil {
		s.Close()
		return nil, closed(err)
	}
	b.most = mostOutputs(outputLogits, vocabulary, s.ubatch)
	b.beside = mostOutputs(besideLogits, vocabulary, s.ubatch)
	b.outputs = b.most
	b.life, b.end = context.WithCancel(s.life)
	for i := range so.slots {
		b.slots = append(b.slots, &slot{id: llama.SeqID(i), cells: b.cells.NewText()})
	}
	go b.run()
	return b, nil
}

func (o BatchOptions) check(m *Model) error {
	for _, n := range []struct {
		name         string
		value, limit int
	}{{"slots", o.Slots, mostSlots}, {"queue", o.Queue, 1 << 20}, {"request context", o.RequestContext, maxContext}, {"prompt tokens", o.PromptTokens, maxContext}} {
		if n.value < 0 || n.value > n.limit {
			return optionError(n.name, strconv.Itoa(n.value), "out of range (0 to %d)", n.limit)
		}
	}
	switch {
	case o.Keep < 0:
		return optionError("keep", o.Keep.String(), "out of range: use 0 (5 minutes) or more")
	case o.Embeddings:
		return optionError("embeddings", "", "a batch has none: use Model.Embed, or a session with SessionOptions.Embeddings")
	case o.OnExperts != nil:
		return optionError("OnExperts", "", "is told by sessions alone")
	}
	if err := m.decodes(); err != nil {
		return err
	}
	if m.info.Encoder {
		return optionError("", "", "models with an encoder compute one text at a time: use a session")
	}
	return nil
}

// Submit begins a request, which waits for its turn. The prompt is as for [Session.Generate];
// KeepPrefix is always on, unless Recompute is set. Lookup, Continue and OverflowShift are refused.
//
// A full queue is a [*QueueError], and a prompt that never fits a [*ContextError]. The request
// ends with ctx, within one evaluation.
func (b *Batch) Submit(ctx context.Context, prompt string, o GenerateOptions) (*Request, error) {
	m := b.s.model
	if err := m.acquire(); err != nil {
		return nil, err
	}
	defer m.release(nil)
	r, err := b.newRequest(ctx, prompt, o)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	err = b.enqueue(r)
	b.mu.Unlock()
	if err != nil {
		r.free()
		return nil, err
	}
	b.wakeUp()
	return r, nil
}

func (b *Batch) enqueue(r *Request) error {
	switch {
	case b.closed:
		return fmt.Errorf("batch: %w", ErrClosed)
	case len(b.waiting) >= b.queue+b.freeSlots():
		b.stats.Refused++
		return &QueueError{Waiting: len(b.waiting), Queue: b.queue, RetryAfter: b.retryAfter()}
	}
	b.waiting = append(b.waiting, r)
	return nil
}

// Limits of how many logits of prompts are read in an evaluation: by their memory, and by the time that other
// texts wait for them, some 10 ms.
const (
	outputLogits = 16 << 20
	besideLogits = 2 << 20
)

// mostOutputs returns how many tokens have so many logits, from one to those of a micro-batch.
func mostOutputs(logits, vocabulary, ubatch int) int {
	return max(1, min(ubatch, logits/max(vocabulary, 1)))
}

// freeSlots counts the slots without a request: requests that are about to get one do not wait.
func (b *Batch) freeSlots() (n int) {
	for _, s := range b.slots {
		if s.r == nil {
			n++
		}
	}
	return n
}

// retryAfter estimates when a place in the queue is free: requests end one after the other.
func (b *Batch) retryAfter() time.Duration {
	if b.stats.Requests == 0 {
		return time.Second
	}
	each := b.taken / time.Duration(b.stats.Requests) / time.Duration(len(b.slots))
	return max(each.Round(time.Second), time.Second)
}

// Generate is Submit and [Request.Tokens].
func (b *Batch) Generate(ctx context.Context, prompt string, o GenerateOptions) iter.Seq2[Token, error] {
	return func(yield func(Token, error) bool) {
		r, err := b.Submit(ctx, prompt, o)
		if err != nil {
			yield(Token{ID: -1}, err)
			return
		}
		r.Tokens()(yield)
	}
}

// Adjusted is as for a session.
func (b *Batch) Adjusted() []Adjustment { return b.s.adjusted }

// Close ends all requests with [ErrClosed] and gives the memory back. Closing twice is safe. A
// closed model closes its batches.
func (b *Batch) Close() error {
	b.end()
	b.s.ctx.Close() // makes a running evaluation return
	<-b.done
	return b.s.Close()
}

// BatchStats are figures of a batch. In JSON it is an object with all fields.
type BatchStats struct {
	Slots          int `json:"slots"`
	Busy           int `json:"busy_slots"`
	Waiting        int `json:"waiting_requests"`
	Queue          int `json:"queue"`          // most requests that may wait
	Context        int `json:"context_tokens"` // that all texts share
	RequestContext int `json:"request_tokens"` // most of one request
	Used           int `json:"used_tokens"`    // of Context, prefixes that are kept included
	Kept           int `json:"kept_tokens"`    // of Used: prefixes that no running request needs
	// Totals since the batch was made.
	Admitted        uint64        `json:"admitted_requests"`
	Requests        uint64        `json:"requests"` // that have ended
	Refused         uint64        `json:"refused_requests"`
	Recomputed      uint64        `json:"recomputed_requests"` // that gave their room to others once
	PromptTokens    uint64        `json:"prompt_tokens"`       // that were computed
	CachedTokens    uint64        `json:"prompt_cached_tokens"`
	GeneratedTokens uint64        `json:"generated_tokens"`
	Evaluations     uint64        `json:"evaluations"`
	PromptDuration  time.Duration `json:"-"` // of evaluations with prompts
	Duration        time.Duration `json:"-"` // of all evaluations
}

// MarshalJSON writes an object with all fields.
func (s BatchStats) MarshalJSON() ([]byte, error) {
	type plain BatchStats
	return words.EncodeJSON(struct {
		plain
		PromptDuration float64 `json:"prompt_seconds"`
		Duration       float64 `json:"seconds"`
	}{plain(s), s.PromptDuration.Seconds(), s.Duration.Seconds()})
}

// Stats returns the batch's figures. It may be called at any time.
func (b *Batch) Stats() BatchStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	st := b.stats
	st.Slots, st.Queue, st.Context, st.RequestContext = len(b.slots), b.queue, b.s.context, b.request
	st.Waiting, st.Used = len(b.waiting), b.cells.Used()
	running, busy := b.running()
	st.Busy, st.Kept = busy, st.Used-running
	return st
}

// running returns how many cells the texts of running requests use, and how many requests those are.
func (b *Batch) running() (cells, busy int) {
	var texts []*batching.Text
	for _, s := range b.slots {
		if s.r != nil {
			texts = append(texts, s.cells)
		}
	}
	return b.cells.Of(texts), len(texts)
}

// SlotStats are the figures of one slot of a batch.
type SlotStats struct {
	ID        int  `json:"id"`
	Busy      bool `json:"is_processing"`
	Used      int  `json:"used_tokens"`      // in the context
	Prompt    int  `json:"prompt_tokens"`    // of the running request
	Generated int  `json:"generated_tokens"` // of the running request
}

// Slots returns the figures of each slot.
func (b *Batch) Slots() []SlotStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]SlotStats, len(b.slots))
	for i, s := range b.slots {
		list[i] = SlotStats{ID: i, Used: len(s.tokens)}
		if s.r != nil {
			list[i].Busy, list[i].Prompt, list[i].Generated = true, s.r.prompt, len(s.r.text)-s.r.prompt
		}
	}
	return list
}

func (b *Batch) wakeUp() {
	select {
	case b.wake <- struct{}{}:
	default: // it is awake
	}
}

// run computes until the batch is closed.
func (b *Batch) run() {
	defer close(b.done)
	defer b.endAll(fmt.Errorf("batch: %w", ErrClosed))
	rest := time.NewTimer(b.keep)
	for {
		work := b.step
		select {
		case <-b.life.Done():
			return
		case <-b.wake:
		case <-rest.C:
			work = b.giveBack
		}
		if err := b.s.lock(); err != nil {
			return // closed
		}
		for work() {
		}
		b.s.unlock()
		rest.Reset(b.keep)
	}
}

// giveBack forgets all texts, and gives the memory of the KV cache back to the system. It returns false.
func (b *Batch) giveBack() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cells.Used() == 0 {
		return false
	}
	for _, s := range b.slots {
		b.forget(s, 0)
	}
	if err := b.s.ctx.Clear(); err == nil {
		b.s.arena.DiscardBlocks(memory.PurposeKV)
	}
	return false
}

// endAll ends all requests, and those to come.
func (b *Batch) endAll(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for _, s := range b.slots {
		if s.r != nil {
			b.finish(s, err)
		}
	}
	for _, r := range b.waiting {
		r.finish(err)
	}
	b.waiting = nil
}

// finish ends the request of a slot. The slot keeps its text.
func (b *Batch) finish(s *slot, err error) {
	r := s.r
	s.r, s.order, b.full = nil, b.stats.Evaluations, false
	if r.o.PromptLogprobs {
		b.outputs = b.most // there may be room again
	}
	b.stats.Requests++
	b.taken += clock.Since(r.began)
	r.finish(err)
}

// step does one evaluation. It returns false if there is nothing to compute.
func (b *Batch) step() bool {
	b.mu.Lock()
	b.dropCancelled()
	b.admit()
	rows := b.fill()
	b.mu.Unlock()
	if len(rows) == 0 {
		return false
	}
	start := clock.Now()
	err := b.evaluate(rows)
	took := clock.Since(start)
	if err == nil {
		err = b.faultOf(rows)
	}
	if err == nil {
		b.score(rows)
	}
	b.deliver(rows, err, took)
	return b.life.Err() == nil
}

// faultOf returns the error that a test wants of an evaluation.
func (b *Batch) faultOf(rows []row) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fault == nil {
		return nil
	}
	return b.fault(len(rows))
}

// dropCancelled ends the requests whose contexts have ended.
func (b *Batch) dropCancelled() {
	for _, s := range b.slots {
		if s.r != nil && s.r.ctx.Err() != nil {
			b.finish(s, s.r.ctx.Err())
		}
	}
	b.waiting = slices.DeleteFunc(b.waiting, func(r *Request) bool {
		err := r.ctx.Err()
		if err != nil {
			r.finish(err)
		}
		return err != nil
	})
}

// closedError returns ErrClosed for the errors of a batch that was closed.
func (b *Batch) closedError(err error) error {
	if b.life.Err() != nil || errors.Is(err, llama.ErrClosed) || errors.Is(err, ErrClosed) {
		return fmt.Errorf("batch: %w", ErrClosed)
	}
	return err
}
