package runtime

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/seed7adf6694/infer/internal/clock"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/runtime/internal/text"
)

// Generate evaluates a prompt and yields the model's continuation token by token. Breaking
// out of the range ends the generation; a cancelled ctx ends it within one token, with the
// context's error. An error is the last value; its Token may contain text that was held back.
//
// A prompt that does not fit is a [*ContextError]. The same prompt, options and seed give the
// same tokens with any number of threads, if flash attention is the same
// ([Stats].FlashAttention).
func (s *Session) Generate(ctx context.Context, prompt string, o GenerateOptions) iter.Seq2[Token, error] {
	return func(yield func(Token, error) bool) {
		if err := s.lock(); err != nil {
			yield(Token{ID: -1}, err)
			return
		}
		defer s.unlock()
		g, err := s.begin(ctx, prompt, o)
		if err != nil {
			yield(Token{ID: -1}, err)
			return
		}
		defer g.end()
		if o.PromptOnly {
			yield(Token{ID: -1, Finish: FinishLength}, nil)
			return
		}
		for {
			t, err := g.next(ctx)
			if err != nil {
				yield(Token{ID: -1, Text: g.writer.text.Flush()}, err)
				return
			}
			if !yield(t, nil) || t.Finish != "" {
				return
			}
		}
	}
}

// Complete returns the whole text that Generate yields; with an error, the text before the
// error.
func (s *Session) Complete(ctx context.Context, prompt string, o GenerateOptions) (string, error) {
	var text strings.Builder
	for t, err := range s.Generate(ctx, prompt, o) {
		text.WriteString(t.Text)
		if err != nil {
			return text.String(), err
		}
	}
	return text.String(), nil
}

// generation is a running call of Generate.
type generation struct {
	s       *Session
	o       GenerateOptions
	sampler *llama.Sampler
	writer  writer
	passes  int           // evaluations of the model after the prompt
	start   time.Duration // when the first token was sampled
	output  int           // index in the last batch to sample from; -1: its last token
	look    *drafts       // nil without lookup
}

// end removes rejected drafts from the session, and frees the sampler.
func (g *generation) end() {
	g.settle()
	g.sampler.Close()
}

// generates returns the error of options, or of a session, that generate no text.
func (s *Session) generates(o GenerateOptions) error {
	if s.embeds {
		return optionError("embeddings", "", "a session for embeddings can't generate: make one without SessionOptions.Embeddings")
	}
	if err := o.Check(); err != nil {
		return err
	}
	if o.PromptLogprobs {
		return optionError("PromptLogprobs", "", "is for batches: use Session.Evaluate")
	}
	if err := s.model.decodes(); err != nil {
		return err
	}
	if !s.ctx.Remembers() { // an encoder that is missing from the list of encoders
		return &TaskError{Architecture: s.model.info.Architecture, Task: TaskEmbeddings, Asked: TaskText}
	}
	return nil
}

// begin checks the options and evaluates the prompt.
func (s *Session) begin(ctx context.Context, prompt string, o GenerateOptions) (*generation, error) {
	if err := s.generates(o); err != nil {
		return nil, err
	}
	sampling, err := o.Sampling.withDefaults()
	if err != nil {
		return nil, err
	}
	o.Sampling = sampling
	sampler, err := s.model.newSampler(o) // before the text is removed: it may be refused
	if err != nil {
		return nil, err
	}
	begun := false
	defer func() {
		if !begun {
			sampler.Close()
		}
	}()

	tokens, notes, err := s.take(ctx, prompt, o)
	if err != nil {
		return nil, err
	}
	if len(tokens) == 0 { // no new tokens: the last one is evaluated again for its logits
		all := slices.Clone(s.tokens)
		s.tokens = s.tokens[:len(s.tokens)-1]
		s.markMemory.free(&s.marks, len(s.tokens))
		s.forgetFrom(len(s.tokens))
		tokens = all[len(s.tokens):] // the whole text, if the memory could not remove a part
		if len(tokens) == 1 {
			s.tail = append(s.tail[:0], tokens...)
		}
	}
	cached := len(s.tokens)
	if !o.KeepPrefix {
		cached = 0
	}
	s.updateStats(func(st *Stats) {
		*st = Stats{CachedTokens: cached, Context: s.context, UBatch: s.ubatch, FlashAttention: s.flash, Seed: *o.Sampling.Seed, Notes: append(notes, s.beyondTraining()...)}
	})
	start := clock.Now()
	err = s.withTail(func() error {
		if n := len(tokens) - 1; o.KeepPrefix && n >= worthMarking && s.model.forgetful() && !s.model.info.Encoder {
			if err := s.eval(ctx, tokens[:n]); err != nil {
				return err
			}
			s.markMemory.add(s.ctx, 0, &s.marks, len(s.tokens))
			return s.eval(ctx, tokens[n:])
		}
		return s.evalPrompt(ctx, tokens)
	})
	if err != nil {
		return nil, err
	}
	for _, t := range s.tokens[max(0, len(s.tokens)-len(tokens)-cached):] { // penalties apply to the prompt too
		if err := sampler.AcceptPrompt(t); err != nil {
			return nil, err
		}
	}
	s.updateStats(func(st *Stats) {
		st.PromptTokens, st.PromptDuration, st.Used = len(tokens), clock.Since(start), len(s.tokens)
	})
	g := &generation{s: s, o: o, sampler: sampler, writer: newWriter(s.model, o), output: -1}
	if o.Lookup {
		g.look = s.newDrafts(ctx, o)
	}
	begun = true
	return g, nil
}

// take tokenizes a prompt, and removes the session's text unless o.Continue. The tokens begin
// with those of the text that are not evaluated yet. The notes are as in [Stats].
func (s *Session) take(ctx context.Context, prompt string, o GenerateOptions) (tokens []llama.Token, notes []string, err error) {
	fresh := !o.Continue || len(s.tokens)+len(s.tail) == 0
	tokens, notes, err = s.model.promptTokens(prompt, fresh, o)
	if err == nil {
		err = ctx.Err() // tokenizing a long text takes time: cancellation comes before later errors
	}
	if err != nil {
		return nil, nil, err
	}
	switch {
	case fresh && o.KeepPrefix:
		if len(tokens) >= s.context {
			return nil, nil, s.contextError(len(tokens))
		}
		if err := s.keepPrefix(tokens); err != nil {
			return nil, nil, err
		}
		s.tail = s.tail[:0]
		return tokens[len(s.tokens):], notes, nil
	case fresh:
		if err := s.reset(); err != nil {
			return nil, nil, err
		}
	}
	tokens = append(slices.Clone(s.tail), tokens...)
	if need := len(s.tokens) + len(tokens); need >= s.context {
		return nil, nil, s.contextError(need)
	}
	return tokens, notes, nil
}

// promptTokens returns the tokens of a prompt, which begins a text if fresh is set. The notes
// are as in [Stats].
func (m *Model) promptTokens(prompt string, fresh bool, o GenerateOptions) (tokens []llama.Token, notes []string, err error) {
	if len(o.Tokens) > 0 {
		if prompt != "" {
			return nil, nil, optionError("Tokens", "", "can't be used with a prompt of text: give one of them")
		}
		for _, id := range o.Tokens {
			tokens = append(tokens, llama.Token(id))
		}
		return tokens, nil, nil
	}
	if tokens, err = m.tokenize(prompt, fresh, !o.PlainPrompt); err != nil {
		return nil, nil, err
	}
	if fresh && len(tokens) == 0 {
		return nil, nil, optionError("", "", "empty prompt, and the model has no token that begins a text: give a prompt")
	}
	if fresh && !o.PlainPrompt && m.addsBOS && len(tokens) > 1 && tokens[1] == m.bos && tokens[0] == m.bos {
		notes = append(notes, m.twiceBOS())
	}
	return tokens, notes, nil
}

// keepPrefix removes what the session's text and a prompt do not have in common. At least the
// prompt's last token is removed, as its logits are needed.
func (s *Session) keepPrefix(prompt []llama.Token) error {
	n := commonPrefix(s.tokens, prompt[:len(prompt)-1])
	switch {
	case n == len(s.tokens) && n > 0:
		return nil
	case s.model.info.Encoder, n == 0:
		return s.reset()
	}
	if n = s.model.cutSeq(s.ctx, 0, n, &s.markMemory, &s.marks); n == 0 {
		return s.reset()
	}
	s.tokens = s.tokens[:n]
	return nil
}

// cutSeq removes what follows the first n tokens of a sequence, or of the longest state that is
// kept of them if the model's memory can't. It returns how many tokens are left; with 0 the sequence
// has to be removed.
func (m *Model) cutSeq(c *llama.Context, seq llama.SeqID, n int, states *markMemory, of *marks) int {
	gone := false // cells before the sliding window
	if window := m.info.SWA; window > 0 {
		first, err := c.PosMin(seq)
		gone = err != nil || int(first) > max(0, n-window)
	}
	if !gone {
		if ok, err := c.RemoveSeq(seq, llama.Pos(n), -1); err == nil && ok {
			states.free(of, n)
			return n
		}
	}
	return states.back(c, seq, of, n)
}

func commonPrefix(a, b []llama.Token) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// evalPrompt evaluates a prompt; encoder-decoder models encode it and begin their
// answer with a token of their own.
func (s *Session) evalPrompt(ctx context.Context, tokens []llama.Token) error {
	if !s.model.info.Encoder || !s.model.info.Decoder {
		return s.eval(ctx, tokens)
	}
	if len(tokens) > s.ubatch {
		return fmt.Errorf("prompt of %d tokens exceeds the encoder's micro-batch of %d: use a larger micro-batch or a shorter prompt", len(tokens), s.ubatch)
	}
	s.batch.Clear()
	for i, t := range tokens {
		if err := s.batch.Add(t, llama.Pos(i), false); err != nil {
			return err
		}
	}
	if err := s.inTurn(ctx, s.ctx.Encode); err != nil {
		return s.closedError(err)
	}
	start := s.model.info.DecoderStart
	if start == llama.NullToken {
		start = s.model.bos
	}
	return s.eval(ctx, []llama.Token{start})
}

// next samples one token, and evaluates the one before it first.
func (g *generation) next(ctx context.Context) (Token, error) {
	s := g.s
	if len(s.tail) > 0 {
		if err := g.advance(ctx); err != nil {
			return Token{}, err
		}
	}
	if err := ctx.Err(); err != nil {
		return Token{}, err
	}
	id, err := g.sampler.Sample(s.ctx, g.output)
	if err != nil {
		return Token{}, s.closedError(err)
	}
	t, err := g.writer.token(s.ctx, g.output, id)
	if err != nil {
		return Token{}, s.closedError(err)
	}
	g.look.sampled(id)
	g.measure()
	if t.Finish == FinishEOG {
		return t, nil
	}
	s.tail = append(s.tail[:0], id)
	if t.Finish == "" && len(s.tokens) >= s.context && g.o.Overflow == OverflowStop {
		g.writer.end(&t, FinishContext)
	}
	return t, nil
}

// writer makes the tokens of a generation from those that are sampled.
type writer struct {
	model *Model
	o     GenerateOptions
	text  text.Stream
	piece []byte
	row   []float32 // logits
	count int       // of tokens
}

func newWriter(m *Model, o GenerateOptions) writer {
	return writer{model: m, o: o, text: text.Stream{Stops: o.Stop}}
}

// token returns the token that was sampled from an output of the context's last batch.
func (w *writer) token(c *llama.Context, output int, id llama.Token) (t Token, err error) {
	w.count++
	t.ID = int32(id)
	if w.o.Logprobs {
		if w.row, err = c.Logits(output, w.row[:0]); err != nil {
			return t, err
		}
		if t.Logprob, t.Top, err = w.model.logprobs(w.row, id, w.o.TopLogprobs); err != nil {
			return t, err
		}
	}
	if w.model.isEOG(id) && !w.o.IgnoreEOG {
		w.end(&t, FinishEOG)
		return t, nil
	}
	if w.piece, err = w.model.weights.native.AppendPiece(w.piece[:0], id, false); err != nil {
		return t, err
	}
	if len(w.piece) == 0 && w.o.Special && !w.model.isEOG(id) {
		if w.piece, err = w.model.weights.native.AppendPiece(w.piece, id, true); err != nil {
			return t, err
		}
		if w.o.SpecialOnly != nil && !w.o.SpecialOnly(string(w.piece)) {
			w.piece = w.piece[:0]
		}
	}
	t.Text, t.Stop = w.text.Push(w.piece)
	switch {
	case t.Stop != "":
		w.end(&t, FinishStop)
	case w.o.MaxTokens > 0 && w.count >= w.o.MaxTokens:
		w.end(&t, FinishLength)
	}
	return t, nil
}

// end makes a token the last one.
func (w *writer) end(t *Token, why FinishReason) {
	t.Finish = why
	t.Text += w.text.Flush()
}

// advance evaluates the token that was sampled last, unless it was evaluated in a draft.
func (g *generation) advance(ctx context.Context) error {
	s := g.s
	if g.look.confirms(s.tail[0]) {
		s.tokens, s.tail = append(s.tokens, s.tail...), s.tail[:0]
		g.output++
		return nil
	}
	if err := g.settle(); err != nil {
		return err
	}
	if err := g.makeRoom(); err != nil {
		return err
	}
	g.passes++
	if draft := g.draft(); len(draft) > 0 {
		err := g.evalDraft(ctx, draft)
		if !errors.Is(err, llama.ErrNoMemory) {
			return err
		}
		s.model.config.log("lookup is turned off: no memory for a draft's logits", "error", err)
		g.look.most = 0
	}
	if err := s.eval(ctx, s.tail); err != nil {
		return err
	}
	s.tail = s.tail[:0]
	return nil
}

// measure updates the session's figures after a token was sampled.
func (g *generation) measure() {
	now := clock.Now()
	if g.writer.count == 1 {
		g.start = now
	}
	g.s.updateStats(func(st *Stats) {
		st.GeneratedTokens, st.GenerateDuration, st.Used = g.writer.count, now-g.start, len(g.s.tokens)
		st.Passes = g.passes
		if g.look != nil {
			st.Drafted, st.Accepted = g.look.drafted, g.look.accepted
		}
	})
}

// makeRoom removes the older half of the text from a full context, as llama.cpp's context
// shift does. It keeps the token that begins the text.
func (g *generation) makeRoom() error {
	s := g.s
	if len(s.tokens) < s.context {
		return nil
	}
	keep := 0
	if s.tokens[0] == s.model.bos {
		keep = 1
	}
	discard := (len(s.tokens) - keep) / 2
	can, err := s.ctx.CanShift()
	if err == nil && (!can || discard == 0) {
		err = s.shiftError()
	}
	if err != nil {
		return s.closedError(err)
	}
	from, to := llama.Pos(keep), llama.Pos(keep+discard)
	ok, err := s.ctx.RemoveSeq(0, from, to)
	if err == nil && !ok {
		err = s.shiftError()
	}
	if err != nil {
		return s.closedError(err)
	}
	if err := s.ctx.ShiftSeq(0, to, -1, -llama.Pos(discard)); err != nil {
		return s.closedError(err)
	}
	s.tokens = append(s.tokens[:keep], s.tokens[keep+discard:]...)
	s.markMemory.free(&s.marks, keep)
	if g.look != nil { // bounds the index's memory
		g.look.index.reset(append(slices.Clip(s.tokens), s.tail...))
	}
	return nil
}

// contextError returns the error of a text that does not fit.
func (s *Session) contextError(tokens int) error {
	return &ContextError{Tokens: tokens, Context: s.context, Most: s.model.info.Positions}
}

// shiftError returns the error of a full context that can't be shifted.
func (s *Session) shiftError() error {
	i := s.model.info
	e := &ShiftError{Architecture: i.Architecture, Context: s.context, Most: i.Positions, Reason: "its positions can't be changed"}
	switch {
	case i.Recurrent || i.Hybrid:
		e.Reason = "its state can't drop a part of a text"
	case i.Positions > 0:
		e.Reason = "its position embeddings are a table"
	case i.SWA > 0:
		e.Reason = "its sliding window has a separate cache"
	case s.context < 3:
		e.Reason = "the context has no older half"
	}
	return e
}

// beyondTraining returns the note about a context that is longer than the texts that the model has
// learned from.
func (s *Session) beyondTraining() []string {
	most := s.model.info.CtxTrain
	if most < 1 || s.context <= most || s.model.info.Recurrent {
		return nil
	}
	return []string{fmt.Sprintf("the context of %d tokens is longer than the %d that the model was trained with: a text that grows longer than that may make no sense", s.context, most)}
}

// twiceBOS is the note about a prompt that begins with the token that the tokenizer adds.
func (m *Model) twiceBOS() string {
	text, _ := piece(m.weights.native, int32(m.bos))
	return fmt.Sprintf("the prompt begins with %s, and the tokenizer adds another: leave it out of the prompt", text)
}
