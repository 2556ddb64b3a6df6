package runtime

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/seed7adf6694/infer/llama"
)

// Embed returns an embedding of each text, of length 1, in a session made for it
// with [SessionOptions].Embeddings. Models that pool do it their way, others with
// the mean over the text's tokens. A text that does not fit is a [*ContextError].
func (s *Session) Embed(ctx context.Context, texts ...string) ([][]float32, error) {
	if err := s.lock(); err != nil {
		return nil, err
	}
	defer s.unlock()
	if !s.embeds {
		return nil, optionError("session without SessionOptions.Embeddings")
	}
	out := make([][]float32, len(texts))
	for i, text := range texts {
		v, err := s.embed(ctx, text)
		if err != nil {
			return nil, fmt.Errorf("text %d: %w", i, err)
		}
		out[i] = v
	}
	return out, nil
}

func (s *Session) embed(ctx context.Context, text string) ([]float32, error) {
	tokens, err := s.model.tokenize(text, true, false)
	if err != nil {
		return nil, err
	}
	if limit := min(s.batch.Cap(), s.ubatch, s.ctx.Ctx()); len(tokens) > limit {
		return nil, &ContextError{Tokens: len(tokens), Context: limit}
	}
	if len(tokens) == 0 {
		return nil, optionError("empty text")
	}
	if err := s.model.changed(); err != nil {
		return nil, err
	}
	if err := s.reset(); err != nil {
		return nil, err
	}
	s.batch.Clear()
	for i, t := range tokens {
		if err := s.batch.Add(t, llama.Pos(i), true); err != nil {
			return nil, err
		}
	}
	evaluate := s.decode
	if s.model.info.Encoder && !s.model.info.Decoder {
		evaluate = func(ctx context.Context) error { return s.inTurn(ctx, s.ctx.Encode) }
	}
	if err := evaluate(ctx); err != nil {
		s.reset()
		return nil, s.closedError(err)
	}
	s.model.sampleMemory()
	if s.ctx.Pooled() {
		v, err := s.ctx.SequenceEmbedding(0, nil)
		if err != nil {
			return nil, s.closedError(err)
		}
		return normalise(v), nil
	}
	var mean, row []float32
	for i := range tokens {
		if row, err = s.ctx.Embedding(i, row[:0]); err != nil {
			return nil, s.closedError(err)
		}
		if mean == nil {
			mean = make([]float32, len(row))
		}
		for j, x := range row {
			mean[j] += x / float32(len(tokens))
		}
	}
	return normalise(mean), nil
}

// normalise scales v to length 1; the zero vector stays.
func normalise(v []float32) []float32 {
	var sum float64
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if sum > 0 {
		f := float32(1 / math.Sqrt(sum))
		for i := range v {
			v[i] *= f
		}
	}
	return v
}

// Embed is [Session.Embed] in a session of its own, large enough for the texts up
// to the model's context.
func (m *Model) Embed(ctx context.Context, texts ...string) (embeddings [][]float32, err error) {
	longest := 0
	for _, text := range texts {
		tokens, err := m.Tokenize(text, TokenizeOptions{Plain: true})
		if err != nil {
			return nil, err
		}
		longest = max(longest, len(tokens))
	}
	s, err := m.NewSession(SessionOptions{Embeddings: true, Context: min(max(longest, 16), max(m.info.CtxTrain, 16))})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return s.Embed(ctx, texts...)
}
