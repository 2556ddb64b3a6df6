package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed7adf6694/infer/llama"
)

// Rank is the score of a document for a query.
type Rank struct {
	Index int     // of the document, from 0
	Score float32 // the classifier's first output: larger is better; the scale depends on the model
	Count int     // tokens of query and document
}

// Rerank scores how well each document answers a query, and returns the best first. The
// session has to be made with [SessionOptions].Embeddings and rank pooling (the default of
// rerankers). Documents are evaluated together like the texts of [Session.EmbedTexts].
//
// A model without a classifier is a [*TaskError]. A query and document that do not fit
// together are a [*ContextError].
func (s *Session) Rerank(ctx context.Context, query string, documents ...string) ([]Rank, error) {
	if err := s.lock(); err != nil {
		return nil, err
	}
	defer s.unlock()
	switch {
	case !s.model.classifier:
		return nil, s.model.cannotRank()
	case !s.ranks:
		return nil, optionError("pooling", "", "the session does not rank: make one with PoolingRank")
	}
	inputs, err := s.model.pairs(query, documents)
	if err != nil {
		return nil, err
	}
	list := make([]Rank, len(documents))
	err = s.embedAll(ctx, inputs, func(i int, seq llama.SeqID, _ int) error {
		v, err := s.ctx.SequenceEmbedding(seq, nil)
		if err == nil {
			err = numbers(v[:1])
		}
		if err != nil {
			return err
		}
		list[i] = Rank{Index: i, Score: v[0], Count: len(inputs[i])}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(list, func(a, b Rank) int { return cmp.Compare(b.Score, a.Score) })
	return list, nil
}

// Rerank is [Session.Rerank] in a new session, whose context is that of [Model.RerankContext].
func (m *Model) Rerank(ctx context.Context, query string, documents ...string) (ranks []Rank, err error) {
	context, err := m.RerankContext(query, documents...)
	if err != nil {
		return nil, err
	}
	s, err := m.NewSession(ctx, SessionOptions{Embeddings: true, Pooling: llama.PoolingRank, Context: context})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return s.Rerank(ctx, query, documents...)
}

// RerankContext is [Model.EmbedContext] for [Session.Rerank]: each text is the query with a
// document.
func (m *Model) RerankContext(query string, documents ...string) (tokens int, err error) {
	if err := m.acquire(); err != nil {
		return 0, err
	}
	defer m.release(nil)
	inputs, err := m.pairs(query, documents)
	if err != nil {
		return 0, err
	}
	longest, total := 0, 0
	for _, ids := range inputs {
		longest, total = max(longest, len(ids)), total+len(ids)
	}
	return m.embedContext(longest, total), nil
}

// cannotRank returns the error of a model without a classifier.
func (t *traits) cannotRank() error {
	return &TaskError{Architecture: t.info.Architecture, Task: t.task(), Asked: TaskRerank}
}

// pairs returns the tokens of the query with each document, joined as llama.cpp's server
// does: by the model's template for reranking, or else one after the other with the special
// tokens that begin, separate and end texts.
func (m *Model) pairs(query string, documents []string) ([][]llama.Token, error) {
	if !m.classifier {
		return nil, m.cannotRank()
	}
	special, err := m.weights.native.SpecialTokens()
	if err != nil {
		return nil, closed(err)
	}
	template, _ := m.weights.native.ChatTemplate("rerank")
	eos := special.EOS
	if eos == llama.NullToken {
		eos = special.SEP
	}
	var before []llama.Token
	if template == "" {
		if special.AddBOS && special.BOS != llama.NullToken {
			before = append(before, special.BOS)
		}
		ids, err := m.tokenize(query, false, false)
		if err != nil {
			return nil, fmt.Errorf("query: %w", closed(err))
		}
		before = append(before, ids...)
		if special.AddEOS && eos != llama.NullToken {
			before = append(before, eos)
		}
		if special.AddSEP && special.SEP != llama.NullToken {
			before = append(before, special.SEP)
		}
	}
	inputs := make([][]llama.Token, len(documents))
	for i, d := range documents {
		if template != "" {
			text := strings.NewReplacer("{query}", query, "{document}", d).Replace(template)
			inputs[i], err = m.tokenize(text, false, true)
		} else {
			var ids []llama.Token
			ids, err = m.tokenize(d, false, false)
			inputs[i] = append(slices.Clone(before), ids...)
			if special.AddEOS && eos != llama.NullToken {
				inputs[i] = append(inputs[i], eos)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", i, closed(err))
		}
	}
	return inputs, nil
}
