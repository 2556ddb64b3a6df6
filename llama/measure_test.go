//go:build cgo

package llama_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/llama"
)

// sizes are the sizes of allocated blocks, by purpose.
func (h *heap) sizes() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var s []string
	for p, b := range h.live {
		s = append(s, fmt.Sprintf("%s %d", h.purposes[p], len(b.bytes)))
	}
	slices.Sort(s)
	return s
}

func TestMeasuredBlocksAreThoseThatAContextTakes(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	for _, p := range []llama.ContextParams{
		{Ctx: 512},
		{Ctx: 4096, UBatch: 64},
		{Ctx: 2048, CacheTypeK: "q8_0", CacheTypeV: "q4_0"},
		{Ctx: 1024, FlashAttn: llama.FlashOff, SeqMax: 4},
		{Ctx: 512, Embeddings: true, Pooling: llama.PoolingMean},
	} {
		for _, size := range []uintptr{64 << 10, 1 << 20, 256 << 20} {
			h := newHeap(size)
			c := newContext(t, m, withBlocks(p, h))
			got, err := m.MeasureContext(p, size)
			if err != nil {
				t.Fatal(err)
			}
			var measured []string
			for _, b := range got.Blocks {
				measured = append(measured, fmt.Sprintf("%s %d", b.Purpose, b.Size))
				if b.Purpose == llama.PurposeKV && !(strings.HasPrefix(b.First, "cache_") && strings.HasPrefix(b.Last, "cache_")) {
					t.Errorf("%+v does not say what is in it", b)
				}
			}
			slices.Sort(measured)
			if taken := h.sizes(); !slices.Equal(measured, taken) {
				t.Errorf("%+v in blocks of %d: measured %v, taken %v", p, size, measured, taken)
			}
			if got.Ctx != c.Ctx() || got.Batch != c.Batch() || got.UBatch != c.UBatch() {
				t.Errorf("measured %+v, the context has %d, %d and %d tokens", got, c.Ctx(), c.Batch(), c.UBatch())
			}
			c.Close()
		}
	}
}

func withBlocks(p llama.ContextParams, b llama.Blocks) llama.ContextParams {
	p.Blocks = b
	return p
}

func TestMeasuringTakesNothingAndRefusesAsMakingDoes(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	got, err := m.MeasureContext(llama.ContextParams{Ctx: 1 << 24}, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	total := uint64(0)
	for _, b := range got.Blocks {
		total += b.Size
	}
	if total < 20<<30 { // 6 layers, 4 heads of 32, two bytes, keys and values
		t.Errorf("a context of 16 M tokens takes %d bytes", total)
	}
	if _, err := m.MeasureContext(llama.ContextParams{CacheTypeK: "q7_9"}, 0); err == nil {
		t.Error("an unknown cache type was measured")
	}
	m.Close()
	if _, err := m.MeasureContext(llama.ContextParams{}, 0); err == nil {
		t.Error("a closed model was measured")
	}
}
