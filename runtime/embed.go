package runtime

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/seed7adf6694/infer/internal/clock"
	"github.com/seed7adf6694/infer/llama"
)

// embedSequences is the largest number of texts that are evaluated together.
const embedSequences = 32

// EmbedOptions are the options of [Session.EmbedTexts] and [Session.EmbedTokens].
type EmbedOptions struct {
	// Norm scales the vectors. The scores of a classifier (rank pooling) are not scaled.
	Norm Norm
	// Tokens returns a vector for each token of a text instead of one for the text. It
	// needs a session with PoolingNone.
	Tokens bool
}

// Embedding is the result of a text.
type Embedding struct {
	// Vector is the vector of the text; with rank pooling, the classifier's scores.
	Vector []float32
	// Tokens are the vectors of the text's tokens, with [EmbedOptions].Tokens.
	Tokens [][]float32
	// Count is the number of tokens in the text, special ones included.
	Count int
}

// Embed returns an embedding of each text, scaled to length 1. The session has to be made
// with [SessionOptions].Embeddings. Its Pooling combines the vectors of a text's tokens; by
// default it is the model's, or the mean if the model has none. A text that does not fit is a
// [*ContextError].
func (s *Session) Embed(ctx context.Context, texts ...string) ([][]float32, error) {
	list, err := s.EmbedTexts(ctx, texts, EmbedOptions{})
	if err != nil {
		return nil, err
	}
	out := make([][]float32, len(list))
	for i, e := range list {
		out[i] = e.Vector
	}
	return out, nil
}

// EmbedTexts is [Session.Embed] with options. Texts are evaluated together, as many as fit
// into a micro-batch, if the model's memory can hold several.
func (s *Session) EmbedTexts(ctx context.Context, texts []string, o EmbedOptions) ([]Embedding, error) {
	return s.embedEach(ctx, len(texts), o, func(i int) ([]llama.Token, error) { return s.model.tokenize(texts[i], true, false) })
}

// EmbedTokens is [Session.EmbedTexts] for texts as tokens; nothing is added to them. A token that is not in
// the vocabulary is an [ErrOption].
func (s *Session) EmbedTokens(ctx context.Context, texts [][]int32, o EmbedOptions) ([]Embedding, error) {
	return s.embedEach(ctx, len(texts), o, func(i int) ([]llama.Token, error) {
		tokens := make([]llama.Token, len(texts[i]))
		for j, id := range texts[i] {
			tokens[j] = llama.Token(id)
			if _, err := s.model.weights.native.TokenInfo(tokens[j]); err != nil {
				return nil, asOption(err)
			}
		}
		return tokens, nil
	})
}

// embedEach returns the embeddings of n texts, of which tokens returns the i-th one.
func (s *Session) embedEach(ctx context.Context, n int, o EmbedOptions, tokens func(i int) ([]llama.Token, error)) ([]Embedding, error) {
	if err := s.lock(); err != nil {
		return nil, err
	}
	defer s.unlock()
	switch {
	case !s.embeds:
		return nil, optionError("embeddings", "", "the session was not made for embeddings: set SessionOptions.Embeddings")
	case o.Tokens && s.ctx.Pooled():
		return nil, optionError("pooling", "", "vectors of tokens need a session with PoolingNone")
	case !o.Norm.valid():
		return nil, optionError("norm", strconv.Itoa(int(o.Norm)), "out of range: use NormNone, NormMax or 0 and more")
	}
	inputs := make([][]llama.Token, n)
	for i := range inputs {
		err := ctx.Err()
		if err == nil {
			inputs[i], err = tokens(i)
		}
		if err != nil {
			return nil, fmt.Errorf("text %d: %w", i, err)
		}
	}
	list := make([]Embedding, n)
	err := s.embedAll(ctx, inputs, func(i int, seq llama.SeqID, first int) (err error) {
		list[i], err = s.embedding(seq, first, len(inputs[i]), o)
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// embedAll evaluates texts, several together, and calls read for each with its index, its
// sequence, and the index in the batch of its first token.
func (s *Session) embedAll(ctx context.Context, inputs [][]llama.Token, read func(i int, seq llama.SeqID, first int) error) error {
	limit := min(s.batch.Cap(), s.ubatch, s.context)
	total := 0
	for i, tokens := range inputs {
		switch total += len(tokens); {
		case len(tokens) > limit:
			return fmt.Errorf("text %d: %w", i, &ContextError{Tokens: len(tokens), Context: limit, Most: s.model.info.Positions})
		case len(tokens) == 0:
			return fmt.Errorf("text %d: %w", i, optionError("", "", "empty text"))
		}
	}
	s.updateStats(func(st *Stats) { *st = Stats{Context: s.context, UBatch: s.ubatch} })
	start := clock.Now()
	for from := 0; from < len(inputs); {
		if err := s.model.weights.changed(); err != nil {
			return err
		}
		if err := s.reset(); err != nil {
			return err
		}
		s.batch.Clear()
		to := from
		for ; to < len(inputs) && to-from < s.ctx.SeqMax() && s.batch.Len()+len(inputs[to]) <= limit; to++ {
			for i, t := range inputs[to] {
				if err := s.batch.Add(t, llama.Pos(i), true, llama.SeqID(to-from)); err != nil {
					return err
				}
			}
		}
		if err := s.evalEmbeddings(ctx); err != nil {
			s.reset()
			return s.closedError(err)
		}
		s.model.peak.Sample()
		first := 0
		for i := from; i < to; i++ {
			if err := read(i, llama.SeqID(i-from), first); err != nil {
				return fmt.Errorf("text %d: %w", i, s.closedError(err))
			}
			first += len(inputs[i])
		}
		from = to
	}
	s.updateStats(func(st *Stats) { st.PromptTokens, st.PromptDuration = total, clock.Since(start) })
	return nil
}

func (s *Session) evalEmbeddings(ctx context.Context) error {
	if s.model.info.Encoder || !s.ctx.Remembers() {
		return s.inTurn(ctx, s.ctx.Encode)
	}
	return s.decode(ctx)
}

// embedding reads the embedding of a sequence of the last batch.
func (s *Session) embedding(seq llama.SeqID, first, count int, o EmbedOptions) (e Embedding, err error) {
	e.Count = count
	if s.ctx.Pooled() {
		if e.Vector, err = s.ctx.SequenceEmbedding(seq, nil); err != nil {
			return e, err
		}
		if s.ranks {
			return e, numbers(e.Vector)
		}
		return e, o.Norm.scale(e.Vector)
	}
	var mean, row []float32
	for i := range count {
		if row, err = s.ctx.Embedding(first+i, row[:0]); err != nil {
			return e, err
		}
		if o.Tokens {
			v := slices.Clone(row)
			if err := o.Norm.scale(v); err != nil {
				return e, err
			}
			e.Tokens = append(e.Tokens, v)
			continue
		}
		if mean == nil {
			mean = make([]float32, len(row))
		}
		for j, x := range row {
			mean[j] += x / float32(count)
		}
	}
	e.Vector = mean
	return e, o.Norm.scale(mean)
}

// Embed is [Session.Embed] in a new session, whose context is that of [Model.EmbedContext].
func (m *Model) Embed(ctx context.Context, texts ...string) (embeddings [][]float32, err error) {
	context, err := m.EmbedContext(texts...)
	if err != nil {
		return nil, err
	}
	s, err := m.NewSession(ctx, SessionOptions{Embeddings: true, Context: context})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return s.Embed(ctx, texts...)
}

// EmbedContext returns the context, in tokens, that a session for embeddings of these texts
// needs: at least the longest text, more for several short ones together, at most the trained
// context.
func (m *Model) EmbedContext(texts ...string) (tokens int, err error) {
	longest, total := 0, 0
	for _, text := range texts {
		ids, err := m.Tokenize(text, TokenizeOptions{Plain: true})
		if err != nil {
			return 0, err
		}
		longest, total = max(longest, len(ids)), total+len(ids)
	}
	return m.embedContext(longest, total), nil
}

// EmbedTokensContext is [Model.EmbedContext] for texts as tokens.
func (m *Model) EmbedTokensContext(texts ...[]int32) (tokens int) {
	longest, total := 0, 0
	for _, ids := range texts {
		longest, total = max(longest, len(ids)), total+len(ids)
	}
	return m.embedContext(longest, total)
}

// embedContext returns the context for texts whose longest and total numbers of tokens are
// given.
func (m *Model) embedContext(longest, total int) int {
	n := max(longest, min(total, defaultUBatch), 16)
	if m.info.CtxTrain > 0 {
		n = min(n, m.info.CtxTrain)
	}
	return n
}

// Norm is how vectors of embeddings are scaled. 2 is NormEuclidean too; a value p from 3 on
// makes the p-norm 1.
type Norm int

const (
	// NormEuclidean makes the Euclidean length 1.
	NormEuclidean Norm = 0
	// NormTaxicab makes the sum of the absolute values 1.
	NormTaxicab Norm = 1
	// NormNone does not scale.
	NormNone Norm = -1
	// NormMax makes the largest absolute value 32760, for vectors stored as 16-bit integers.
	NormMax Norm = -2
)

// maxInt16 is the largest absolute value with NormMax, the same as in llama.cpp.
const maxInt16 = 32760

func (n Norm) valid() bool { return n >= NormMax }

// ErrNotANumber is returned for embeddings and scores that are NaN or infinite.
var ErrNotANumber = errors.New("the model computed NaN or infinity: its weights are damaged, or overflow their type")

// numbers returns ErrNotANumber if a value is NaN or infinite.
func numbers(v []float32) error {
	for _, x := range v {
		if f := float64(x); math.IsNaN(f) || math.IsInf(f, 0) {
			return ErrNotANumber
		}
	}
	return nil
}

// scale scales v in place; a zero vector is not changed.
func (n Norm) scale(v []float32) error {
	if err := numbers(v); err != nil || n == NormNone {
		return err
	}
	p := float64(n)
	switch n {
	case NormEuclidean, 2:
		p = 2
	case NormMax:
		p = math.Inf(1)
	}
	largest := 0.0
	for _, x := range v {
		largest = max(largest, math.Abs(float64(x)))
	}
	if largest == 0 {
		return nil
	}
	sum := 0.0
	for _, x := range v {
		sum += math.Pow(math.Abs(float64(x))/largest, p) // powers of at most 1 can't overflow
	}
	length := largest * math.Pow(sum, 1/p)
	if n == NormMax {
		length = largest / maxInt16
	}
	for i := range v {
		v[i] = float32(float64(v[i]) / length)
	}
	return nil
}
