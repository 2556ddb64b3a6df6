//go:build cgo

package llama_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/seed7adf6694/infer/llama"
)

// The number of threads may change between two evaluations; results stay equal to the bit.
func TestThreadsDoNotChangeTheLogits(t *testing.T) {
	long := storyAs(0)
	for i := range 30 {
		long = append(long, next(0, llama.Pos(len(long))))
		long[len(long)-1].token = llama.Token(300 + 7*i)
	}
	for _, weights := range []struct {
		name, typ string
		params    llama.ModelParams
	}{
		{"f16", "", llama.ModelParams{MMap: true}},
		{"q4_0 repacked", "q4_0", llama.ModelParams{Repack: true}},
		{"q4_K repacked", "q4_K_M", llama.ModelParams{Repack: true}},
	} {
		path := tinyF16
		if weights.typ != "" {
			path = quantized(t, tinyF16, "model", llama.QuantizeParams{Type: weights.typ})
		}
		m := load(t, path, weights.params)
		for _, flash := range []llama.FlashAttention{llama.FlashOff, llama.FlashOn} {
			t.Run(fmt.Sprintf("%s, flash attention %d", weights.name, flash), func(t *testing.T) {
				c := newContext(t, m, llama.ContextParams{Ctx: 256, Threads: 1, FlashAttn: flash})
				say := func() []float32 {
					check(t, c.Clear())
					logits := feed(t, c, long...)
					return append(logits, feed(t, c, next(0, llama.Pos(len(long))))...)
				}
				want := say()
				for n := 2; n <= 3; n++ {
					check(t, c.SetThreads(n, n))
					if got := say(); !slices.Equal(got, want) {
						t.Errorf("%d threads: logits differ by %g", n, distance(got, want))
					}
				}
			})
		}
	}
}
