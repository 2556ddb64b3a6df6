package runtime

import (
	"context"
	"errors"
	"strconv"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/memory"
)

// EvaluateOptions are the options of [Session.Evaluate].
type EvaluateOptions struct {
	// Logits, if set, is called with the logits after the i-th token, one for each token of
	// the vocabulary, for each i from From on and in order. The slice is valid only during
	// the call. An error ends the evaluation and is returned.
	Logits func(i int, logits []float32) error
	// From is the index of the first token whose logits are wanted.
	From int
}

// Evaluate appends tokens to the session's text as a prompt does, and samples none. It serves
// to score a text or to measure speed. No special tokens are added.
//
// If there is no memory for the logits of a whole micro-batch, fewer tokens are evaluated at
// once. Tokens that do not fit are a [*ContextError].
func (s *Session) Evaluate(ctx context.Context, tokens []int32, o EvaluateOptions) error {
	if err := s.lock(); err != nil {
		return err
	}
	defer s.unlock()
	if err := s.model.decodes(); err != nil {
		return err
	}
	switch {
	case s.embeds:
		return optionError("embeddings", "", "a session for embeddings has no logits: make one without SessionOptions.Embeddings")
	case s.model.info.Encoder:
		return optionError("", "", "Evaluate does not support models with an encoder: use Generate")
	case o.From < 0:
		return optionError("EvaluateOptions.From", strconv.Itoa(o.From), "out of range: use 0 or more")
	}
	if need := len(s.tokens) + len(s.tail) + len(tokens); need > s.context {
		return s.contextError(need)
	}
	s.ids = append(s.ids[:0], s.tail...)
	for _, t := range tokens {
		s.ids = append(s.ids, llama.Token(t))
	}
	ids := s.ids
	skip := len(s.tail)
	return s.withTail(func() error {
		if o.Logits == nil {
			return s.eval(ctx, ids)
		}
		if quiet := min(skip+o.From, len(ids)); quiet > 0 {
			if err := s.eval(ctx, ids[:quiet]); err != nil {
				return err
			}
		}
		return s.evalLogits(ctx, ids, skip, min(skip+o.From, len(ids)), o.Logits)
	})
}

// evalLogits evaluates ids[from:] with logits for all of them. skip is the number of ids
// before the caller's first token.
func (s *Session) evalLogits(ctx context.Context, ids []llama.Token, skip, from int, visit func(int, []float32) error) error {
	var row []float32
	for most := s.ubatch; from < len(ids); {
		if err := s.model.weights.changed(); err != nil {
			return err
		}
		n := min(len(ids)-from, most)
		var small *memory.Error
		if err := s.countOutputs(ctx, n); errors.As(err, &small) && n > 1 { // the budget has no room for as many
			most = (n + 1) / 2
			continue
		} else if err != nil {
			return err
		}
		s.batch.Clear()
		for i, t := range ids[from : from+n] {
			if err := s.batch.Add(t, llama.Pos(len(s.tokens)+i), true); err != nil {
				return err
			}
		}
		if err := s.decode(ctx); err != nil {
			s.forgetFrom(len(s.tokens))
			if errors.Is(err, llama.ErrNoMemory) && n > 1 { // the logits do not fit: half as many tokens
				most = (n + 1) / 2
				continue
			}
			return s.closedError(err)
		}
		s.tokens = append(s.tokens, ids[from:from+n]...)
		s.model.peak.Sample()
		for i := range n {
			var err error
			if row, err = s.ctx.Logits(i, row[:0]); err != nil {
				return s.closedError(err)
			}
			if err := visit(from+i-skip, row); err != nil {
				return err
			}
		}
		from += n
	}
	return nil
}
