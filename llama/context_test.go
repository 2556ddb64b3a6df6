//go:build cgo

package llama_test

import (
	"context"
	"errors"
	"os/exec"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
)

func TestEncodingWithoutAnEncoder(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	c := newContext(t, m, llama.ContextParams{Ctx: 64, Threads: 1})
	want := feed(t, c, storyAs(0)...)
	if err := c.Encode(t.Context(), place(t, storyAs(0))); !errors.Is(err, llama.ErrArgument) {
		t.Errorf("%v, want ErrArgument", err)
	}
	check(t, c.Clear())
	near(t, "decoding afterwards", feed(t, c, storyAs(0)...), want)
}

func TestVocabularyAlone(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{VocabOnly: true})
	whole := load(t, tinyF16, llama.ModelParams{MMap: true})
	t.Run("the description has what needs no weights", func(t *testing.T) {
		i, err := m.Info()
		check(t, err)
		if w, err := whole.Info(); err != nil || i.Architecture != w.Architecture || i.Layers != 0 || i.Heads != 0 || i.HeadsKV != 0 {
			t.Errorf("%+v, of the whole model %+v, %v", i, w, err)
		}
	})
	t.Run("texts become tokens", func(t *testing.T) {
		tokens, err := m.Tokenize("Once upon a time", true, false)
		check(t, err)
		want, err := whole.Tokenize("Once upon a time", true, false)
		check(t, err)
		equalTokens(t, tokens, want)
	})
	t.Run("a context is refused", func(t *testing.T) {
		if _, err := m.NewContext(llama.ContextParams{Ctx: 64}); !errors.Is(err, llama.ErrArgument) {
			t.Errorf("%v, want ErrArgument", err)
		}
	})
	t.Run("an adapter is an error", func(t *testing.T) {
		if a, err := m.LoadAdapter(plainAdapter(t)); err == nil {
			a.Close()
			t.Error("loaded")
		}
	})
}

func equalTokens(t *testing.T, got, want []llama.Token) {
	t.Helper()
	if len(got) != len(want) || len(want) == 0 {
		t.Fatalf("tokens %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("tokens %v, want %v", got, want)
		}
	}
}

func TestSetThreads(t *testing.T) {
	m := load(t, oneLayer(t), llama.ModelParams{MMap: true})
	c := newContext(t, m, llama.ContextParams{Ctx: 64, Threads: 1})
	say := func() []float32 {
		check(t, c.Clear())
		feed(t, c, storyAs(0)...)
		return feed(t, c, next(0, llama.Pos(len(story))))
	}
	want := say()
	for _, tt := range []struct {
		name     string
		n, batch int
	}{
		{"two threads for both", 2, 2},
		{"more for batches", 1, 2},
		{"more for single tokens", 2, 1},
		{"back to one", 1, 1},
	} {
		t.Run(tt.name+" compute the same", func(t *testing.T) {
			check(t, c.SetThreads(tt.n, tt.batch))
			near(t, "the logits", say(), want)
		})
	}
	for _, n := range [][2]int{{0, 1}, {1, 0}, {-1, 1}, {1, 513}, {1 << 40, 1}} {
		if err := c.SetThreads(n[0], n[1]); !errors.Is(err, llama.ErrArgument) {
			t.Errorf("%v threads: %v, want ErrArgument", n, err)
		}
	}
	near(t, "after refused numbers", say(), want)
}

func init() {
	// Changes threads between computations, and several times before one.
	children["threads"] = func(args []string) int {
		ctx := context.Background()
		m, err := llama.LoadModel(ctx, args[0], llama.ModelParams{MMap: true})
		if err != nil {
			return childError(err)
		}
		defer m.Close()
		c, err := m.NewContext(llama.ContextParams{Ctx: 64, Threads: 1})
		if err != nil {
			return childError(err)
		}
		defer c.Close()
		// More thread numbers than there are kept pools, some of them repeated.
		for _, n := range [][2]int{{1, 2}, {2, 2}, {2, 1}, {1, 1}, {2, 3}, {1, 4}, {1, 2}, {3, 1}, {1, 1}, {1, 2}} {
			for range 2 {
				if err := errors.Join(c.SetThreads(n[1], n[0]), c.SetThreads(n[0], n[1]), c.RestThreads()); err != nil {
					return childError(err)
				}
			}
			if err := errors.Join(c.Clear(), evaluateTokens(ctx, c, 2), c.RestThreads(), c.Clear(), evaluateTokens(ctx, c, 1)); err != nil {
				return childError(err)
			}
		}
		return 0
	}
}

func TestReplacedThreadsAreNotTouched(t *testing.T) {
	memtest.WithoutRace(t)
	spoiled(t, memtest.Child("threads", oneLayer(t)))
}

// spoiled runs a child in which the C library overwrites freed memory at once, so that a use after
// free blocks on a destroyed lock or crashes. C libraries without such a setting ignore it.
func spoiled(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	cmd.Env = append(cmd.Env, "MALLOC_PERTURB_=165", "GLIBC_TUNABLES=glibc.malloc.tcache_count=0")
	res, err := memtest.Run(t.Context(), cmd, memtest.Limits{})
	memtest.Need(t, err)
	if res.Code != 0 {
		t.Error(res)
	}
}

func TestAttentionWithoutCausality(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	c := newContext(t, m, llama.ContextParams{Ctx: 64, UBatch: 4, Threads: 1, Embeddings: true, Pooling: llama.PoolingNone})
	first := func(tokens []at) []float32 {
		t.Helper()
		check(t, c.Clear())
		check(t, c.Decode(t.Context(), place(t, tokens)))
		e, err := c.Embedding(0, nil)
		check(t, err)
		return e
	}
	long, short := storyAs(0)[:4], storyAs(0)[:2]
	near(t, "the first token does not see what follows", first(long), first(short))
	check(t, c.SetCausal(false))
	if distance(first(long), first(short)) < 0.1 {
		t.Error("without causality the first token does not see what follows either")
	}
	if err := c.Decode(t.Context(), place(t, storyAs(0))); !errors.Is(err, llama.ErrArgument) {
		t.Errorf("more tokens than a micro-batch, in which all see each other: %v, want ErrArgument", err)
	}
	check(t, c.SetCausal(true))
	near(t, "switched back", first(long), first(short))
}

func TestContextSizes(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	info, err := m.Info()
	check(t, err)
	for _, tt := range []struct {
		name                     string
		p                        llama.ContextParams
		ctx, batch, ubatch, seqs int
	}{
		{"the defaults are llama.cpp's", llama.ContextParams{}, 512, 512, 512, 1},
		{"what the model was trained with", llama.ContextParams{Ctx: -1}, info.CtxTrain, min(2048, info.CtxTrain), 512, 1},
		{"what was asked for", llama.ContextParams{Ctx: 1024, Batch: 64, UBatch: 16, SeqMax: 2}, 1024, 64, 16, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.p.Threads = 1
			c := newContext(t, m, tt.p)
			if c.Ctx() != tt.ctx || c.Batch() != tt.batch || c.UBatch() != min(tt.ubatch, tt.batch) || c.SeqMax() != tt.seqs || c.Vocab() != 1536 {
				t.Errorf("context %d, batch %d, micro-batch %d, sequences %d, vocabulary %d", c.Ctx(), c.Batch(), c.UBatch(), c.SeqMax(), c.Vocab())
			}
		})
	}
}
