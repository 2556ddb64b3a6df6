//go:build cgo

package llama_test

import (
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
)

// Evaluations of all sizes, of which as many tokens have outputs as were measured, write no more of the
// compute buffers than was measured, and most of that.
func TestEvaluationsWriteWhatWasMeasured(t *testing.T) {
	memtest.WithoutRace(t)
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	for _, p := range []llama.ContextParams{
		{Ctx: 1024, UBatch: 256, FlashAttn: llama.FlashOff},
		{Ctx: 1024, UBatch: 256, FlashAttn: llama.FlashOn},
		{Ctx: 1024, UBatch: 256, FlashAttn: llama.FlashOn, Outputs: 256},
		{Ctx: 1024, UBatch: 128, FlashAttn: llama.FlashOn, Outputs: 8, SeqMax: 8, KVUnified: true},
	} {
		p.Threads = 1
		h := newHeap(1 << 20)
		c := newContext(t, m, withBlocks(p, h))
		got, err := m.MeasureContext(p, h.size)
		if err != nil {
			t.Fatal(err)
		}
		whole, used := uint64(0), uint64(0)
		for _, b := range got.Blocks {
			if b.Purpose == llama.PurposeCompute {
				const page = 4096
				whole, used = whole+b.Size, used+(b.Used+page-1)/page*page
			}
		}
		if p.FlashAttn == llama.FlashOn && p.Outputs == 0 && used >= whole { // results of one token, not of all
			t.Errorf("%+v: %d of %d bytes are measured as written", p, used, whole)
		}
		sequences, at := max(p.SeqMax, 1), 0
		outputs := max(p.Outputs, 1)
		for left := p.Ctx; left > 0; { // as many tokens as are left, and fewer
			for _, n := range []int{p.UBatch, p.UBatch/2 - 3, 1, outputs} {
				n = min(n, left)
				left -= n
				fill(t, c, n, outputs, sequences, &at)
			}
		}
		written := uint64(0)
		for block, b := range h.live {
			if h.purposes[block] == llama.PurposeCompute {
				n, err := memtest.Touched(b.bytes)
				memtest.Need(t, err)
				written += n
			}
		}
		t.Logf("%d outputs, %d sequences: written %d KiB, measured %d KiB of %d KiB", p.Outputs, p.SeqMax, written>>10, used>>10, whole>>10)
		if written > used || written < used/5*4 {
			t.Errorf("%+v: %d bytes are written, %d measured", p, written, used)
		}
		c.Close()
	}
}

// fill evaluates the next n tokens, which belong to the sequences in turn. The last ones have outputs.
func fill(t *testing.T, c *llama.Context, n, outputs, sequences int, at *int) {
	t.Helper()
	if n == 0 {
		return
	}
	b, err := llama.NewBatch(n, 1)
	memtest.Need(t, err)
	defer b.Close()
	for i := range n {
		memtest.Need(t, b.Add(llama.Token(3+*at*31%250), llama.Pos(*at/sequences), i >= n-outputs, llama.SeqID(*at%sequences)))
		*at++
	}
	memtest.Need(t, c.Decode(t.Context(), b))
}
