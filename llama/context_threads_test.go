//go:build cgo

package llama_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/models"
)

// oneLayer is a model of random weights for tests with more threads than processors: threads wait for each
// other by spinning, after each operation of each layer.
func oneLayer(t *testing.T) (path string) {
	t.Helper()
	shape, err := models.ParseShape("layers=1,width=256,heads=8,kv_heads=4,ffn=512,vocab=1536")
	check(t, err)
	path = filepath.Join(t.TempDir(), "layer.gguf")
	check(t, models.Synthesize(t.Context(), path, models.SynthesizeOptions{Shape: shape, Seed: 4}))
	return path
}

// The number of threads may change between two evaluations; results stay equal to the bit.
func TestThreadsDoNotChangeTheLogits(t *testing.T) {
	memtest.WithoutRace(t)
	layer := oneLayer(t)
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
		{"q4_K and q6_K", "q4_K_M", llama.ModelParams{MMap: true}},
	} {
		path := layer
		if weights.typ != "" {
			path = quantized(t, layer, "model", llama.QuantizeParams{Type: weights.typ})
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
