//go:build cgo

package llama_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/seed7adf6694/infer/llama"
)

func embedder(t *testing.T, m *llama.Model, p llama.ContextParams) *llama.Context {
	t.Helper()
	p.Ctx, p.Embeddings, p.Threads = 64, true, 1
	return newContext(t, m, p)
}

// place makes a batch in which all tokens have output set, but those of without.
func place(t *testing.T, tokens []at, without ...int) *llama.Batch {
	t.Helper()
	b, err := llama.NewBatch(len(tokens), 2)
	check(t, err)
	t.Cleanup(func() { b.Close() })
	for i, a := range tokens {
		check(t, b.Add(a.token, a.pos, !slices.Contains(without, i), a.seqs...))
	}
	return b
}

// rows are the embeddings of the story's tokens.
func rows(t *testing.T, m *llama.Model) [][]float32 {
	t.Helper()
	c := embedder(t, m, llama.ContextParams{Pooling: llama.PoolingNone})
	if c.Pooled() {
		t.Fatal("a context without pooling says that it pools")
	}
	check(t, c.Decode(t.Context(), place(t, storyAs(0))))
	var list [][]float32
	for i := range story {
		e, err := c.Embedding(i, nil)
		check(t, err)
		list = append(list, e)
	}
	return list
}

func TestPooling(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	info, err := m.Info()
	check(t, err)
	tokens := rows(t, m)
	mean := make([]float32, info.Embd)
	for _, row := range tokens {
		if len(row) != info.Embd {
			t.Fatalf("embeddings of %d numbers, the model is %d wide", len(row), info.Embd)
		}
		for i, v := range row {
			mean[i] += v / float32(len(tokens))
		}
	}
	far(t, "first and last token", tokens[0], tokens[len(tokens)-1])

	for _, tt := range []struct {
		name    string
		pooling llama.Pooling
		want    []float32
	}{
		{"the mean is that of all tokens", llama.PoolingMean, mean},
		{"CLS takes the first token", llama.PoolingCLS, tokens[0]},
		{"last takes the last token", llama.PoolingLast, tokens[len(tokens)-1]},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := embedder(t, m, llama.ContextParams{Pooling: tt.pooling, SeqMax: 2, KVUnified: true})
			if !c.Pooled() {
				t.Error("the context says that it does not pool")
			}
			// Beside a longer sequence.
			other := append(storyAs(1), next(1, llama.Pos(len(story))))
			check(t, c.Decode(t.Context(), place(t, append(storyAs(0), other...))))
			prefix := []float32{1, 2}
			got, err := c.SequenceEmbedding(0, slices.Clone(prefix))
			check(t, err)
			if !slices.Equal(got[:2], prefix) || len(got) != 2+info.Embd {
				t.Fatalf("%d numbers, the first %v", len(got), got[:2])
			}
			near(t, "the embedding", got[2:], tt.want)
			second, err := c.SequenceEmbedding(1, nil)
			check(t, err)
			if tt.pooling != llama.PoolingCLS {
				if slices.Equal(second, got[2:]) {
					t.Error("a longer sequence has the same embedding")
				}
			}
			if _, err := c.Embedding(0, nil); !errors.Is(err, llama.ErrArgument) {
				t.Errorf("embedding of a token: %v, want ErrArgument", err)
			}
			if _, err := c.SequenceEmbedding(7, nil); !errors.Is(err, llama.ErrArgument) {
				t.Errorf("embedding of a sequence that was not in the batch: %v, want ErrArgument", err)
			}
		})
	}
}

// The engine would compute these wrongly without an error, or crash.
func TestBatchesThatCannotBePooled(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	lengths := append(storyAs(0)[:3], storyAs(1)...)
	for _, pooling := range []struct {
		name string
		p    llama.Pooling
	}{{"mean", llama.PoolingMean}, {"CLS", llama.PoolingCLS}, {"last", llama.PoolingLast}} {
		for _, tt := range []struct {
			name   string
			params llama.ContextParams
			batch  *llama.Batch
		}{
			{"tokens without output", llama.ContextParams{}, place(t, storyAs(0), 0, 1, 2, 3)},
			{"more tokens than a micro-batch has", llama.ContextParams{UBatch: 4}, place(t, storyAs(0))},
			{"sequences of different lengths in buffers of their own", llama.ContextParams{SeqMax: 2}, place(t, lengths)},
		} {
			t.Run(tt.name+", "+pooling.name, func(t *testing.T) {
				tt.params.Pooling = pooling.p
				c := embedder(t, m, tt.params)
				if err := c.Decode(t.Context(), tt.batch); !errors.Is(err, llama.ErrArgument) {
					t.Errorf("%v, want ErrArgument", err)
				}
				check(t, c.Decode(t.Context(), place(t, storyAs(0)[:4])))
				if _, err := c.SequenceEmbedding(0, nil); err != nil {
					t.Errorf("the context is unusable afterwards: %v", err)
				}
			})
		}
	}
	t.Run("sequences of one length in buffers of their own can be pooled", func(t *testing.T) {
		c := embedder(t, m, llama.ContextParams{SeqMax: 2, Pooling: llama.PoolingMean})
		check(t, c.Decode(t.Context(), place(t, append(storyAs(0), storyAs(1)...))))
		a, err := c.SequenceEmbedding(0, nil)
		check(t, err)
		b, err := c.SequenceEmbedding(1, nil)
		check(t, err)
		near(t, "the same text twice", a, b)
	})
	t.Run("a pooling context that computes no embeddings takes any batch", func(t *testing.T) {
		c := embedder(t, m, llama.ContextParams{UBatch: 4, Pooling: llama.PoolingMean})
		check(t, c.SetEmbeddings(false))
		check(t, c.Decode(t.Context(), place(t, storyAs(0), 0, 1)))
		if l, err := c.Logits(-1, nil); err != nil || len(l) != c.Vocab() {
			t.Error(len(l), err)
		}
	})
}

func TestEmbeddingsThatWereNotComputed(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	c := newContext(t, m, llama.ContextParams{Ctx: 64, Threads: 1})
	refused := func(what string) {
		t.Helper()
		if e, err := c.Embedding(-1, nil); !errors.Is(err, llama.ErrArgument) {
			t.Errorf("%s: %d numbers, %v, want ErrArgument", what, len(e), err)
		}
		if e, err := c.SequenceEmbedding(0, nil); !errors.Is(err, llama.ErrArgument) {
			t.Errorf("%s, of the sequence: %d numbers, %v, want ErrArgument", what, len(e), err)
		}
	}
	refused("before a batch")
	feed(t, c, storyAs(0)...)
	refused("of a context without embeddings")
	check(t, c.SetEmbeddings(true))
	refused("switched on behind the batch")
	check(t, c.Clear())
	feed(t, c, storyAs(0)...)
	e, err := c.Embedding(-1, nil)
	check(t, err)
	want := rows(t, m)
	near(t, "switched on before the batch", e, want[len(want)-1])
	check(t, c.SetEmbeddings(false))
	refused("switched off")
}
