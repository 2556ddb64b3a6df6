//go:build cgo

package llama_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
)

// computing loads a model of ggufcases.Computing.
func computing(t *testing.T, name string) *llama.Model {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.gguf")
	for _, b := range ggufcases.ComputingWith(llama.Engine().ABI, name) {
		memtest.Need(t, os.WriteFile(path, b, 0o600))
		return load(t, path, llama.ModelParams{})
	}
	t.Fatalf("no model %q", name)
	return nil
}

// ids is a text of n tokens.
func ids(n int) (list []at) {
	for i := range n {
		list = append(list, at{llama.Token(260 + i%10), llama.Pos(i), nil})
	}
	return list
}

func TestPositionsBehindTheTable(t *testing.T) {
	for _, name := range []string{"gpt2", "starcoder", "mpt"} {
		m := computing(t, name)
		info, err := m.Info()
		check(t, err)
		if info.Positions != 256 {
			t.Fatalf("%s: a table of %d positions", name, info.Positions)
		}
		c := newContext(t, m, llama.ContextParams{Ctx: 512, Threads: 1})
		feed(t, c, ids(256)...)
		var e *llama.ArgumentError
		if err := c.Decode(t.Context(), place(t, []at{{260, 256, nil}})); !errors.Is(err, llama.ErrArgument) || !errors.As(err, &e) || e.Name != "position" || e.Value != "256" {
			t.Errorf("%s: position 256: %v", name, err)
		}
		if can, err := c.CanShift(); err != nil || can {
			t.Errorf("%s: CanShift %v, %v", name, can, err)
		}
		if err := c.ShiftSeq(0, 100, -1, -50); !errors.Is(err, llama.ErrArgument) {
			t.Errorf("%s: shift: %v", name, err)
		}
		if ok, err := c.RemoveSeq(0, 200, -1); err != nil || !ok {
			t.Errorf("%s: forgetting the end: %v, %v", name, ok, err)
		}
		ends(t, c, 0, 0, 199)
	}
}

// A recurrent state cannot forget part of a text, and returns an error.
func TestStatesForgetAllOrNothing(t *testing.T) {
	for _, name := range []string{"rwkv6", "rwkv7", "mamba", "mamba2", "jamba", "qwen3next", "falcon-h1"} {
		c := newContext(t, computing(t, name), llama.ContextParams{Ctx: 256, Threads: 1})
		want := feed(t, c, ids(12)...)
		for _, r := range [][2]llama.Pos{{3, 6}, {0, 6}, {-1, 11}, {6, -1}, {11, 12}, {3, 12}} {
			if ok, err := c.RemoveSeq(0, r[0], r[1]); ok || err != nil {
				t.Errorf("%s: positions %v: %v, %v", name, r, ok, err)
			}
		}
		if last, err := c.PosMax(0); last != 11 || err != nil {
			t.Errorf("%s: last position %d, %v", name, last, err)
		}
		for _, r := range [][2]llama.Pos{{12, -1}, {20, 30}, {5, 5}} {
			if ok, err := c.RemoveSeq(0, r[0], r[1]); !ok || err != nil {
				t.Errorf("%s: nothing of positions %v: %v, %v", name, r, ok, err)
			}
		}
		if can, err := c.CanShift(); err != nil || can {
			t.Errorf("%s: CanShift %v, %v", name, can, err)
		}
		if ok, err := c.RemoveSeq(0, 0, -1); !ok || err != nil {
			t.Errorf("%s: all: %v, %v", name, ok, err)
		}
		if got := feed(t, c, ids(12)...); distance(got, want) > 1e-4 {
			t.Errorf("%s: the same text after forgetting all of it differs by %g", name, distance(got, want))
		}
	}
}

func TestContextsWithoutMemory(t *testing.T) {
	c := newContext(t, computing(t, "bert"), llama.ContextParams{Ctx: 64, Threads: 1, Embeddings: true, Pooling: llama.PoolingMean})
	if c.Remembers() {
		t.Error("an encoder remembers")
	}
	check(t, c.Clear())
	if _, err := c.RemoveSeq(0, 0, -1); !errors.Is(err, llama.ErrArgument) {
		t.Errorf("RemoveSeq: %v", err)
	}
	if !newContext(t, load(t, tinyF16, llama.ModelParams{MMap: true}), llama.ContextParams{Ctx: 64, Threads: 1}).Remembers() {
		t.Error("a model for text does not remember")
	}
}

// The engine would divide a quantisation block between two heads.
func TestCacheBlocksThatHeadsDoNotAllow(t *testing.T) {
	m := computing(t, "llama") // heads of 16
	for _, p := range []llama.ContextParams{
		{CacheTypeK: "q8_0"}, {CacheTypeK: "q4_0", FlashAttn: llama.FlashOff}, {CacheTypeK: "q5_1", CacheTypeV: "q5_1", FlashAttn: llama.FlashOn}, {CacheTypeV: "iq4_nl", FlashAttn: llama.FlashOn},
	} {
		p.Ctx, p.Threads = 64, 1
		var e *llama.ArgumentError
		if _, err := m.NewContext(p); !errors.Is(err, llama.ErrArgument) || !errors.As(err, &e) || !strings.HasSuffix(e.Name, " cache type") || !strings.Contains(e.Reason, "head size 16") {
			t.Errorf("%+v: %v", p, err)
		}
		if _, err := m.MeasureContext(p, 0); !errors.Is(err, llama.ErrArgument) {
			t.Errorf("measured, %+v: %v", p, err)
		}
	}
}
