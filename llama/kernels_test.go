//go:build cgo

package llama_test

import (
	"path/filepath"
	"testing"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/models"
)

// A prompt at once has the logits that it has token by token: other kernels, or the engine, compute the second. Where
// these round in another order, numbers are quantised to a neighbour between two layers.
func TestPromptsAtOnceAreThoseTokenByToken(t *testing.T) {
	if llama.Kernels() == "" {
		t.Skip("no kernels for this CPU and engine")
	}
	var text []at
	for i := range llama.Pos(41) {
		text = append(text, at{llama.Token(300 + 7*i), i, []llama.SeqID{0}})
	}
	for name, shape := range map[string]string{
		"dense":   "layers=2,width=256,heads=8,kv_heads=4,ffn=768,vocab=1536",
		"experts": "layers=2,width=256,heads=8,kv_heads=4,ffn=256,vocab=1536,experts=6,experts_used=2",
	} {
		parsed, err := models.ParseShape(shape)
		check(t, err)
		dir := t.TempDir()
		f16 := filepath.Join(dir, "f16.gguf")
		check(t, models.Synthesize(t.Context(), f16, models.SynthesizeOptions{Shape: parsed, Seed: 4}))
		for _, typ := range []string{"q4_0", "q4_K_S", "q6_K"} {
			path := filepath.Join(dir, typ+".gguf")
			check(t, llama.Quantize(t.Context(), f16, path, llama.QuantizeParams{Type: typ, Pure: true}))
			for weights, params := range map[string]llama.ModelParams{"mapped": {MMap: true}, "repacked": {Repack: true}} {
				t.Run(name+" "+typ+" "+weights, func(t *testing.T) {
					c := newContext(t, load(t, path, params), llama.ContextParams{Ctx: 64, Threads: 2})
					var want []float32
					for _, tok := range text {
						want = feed(t, c, tok)
					}
					check(t, c.Clear())
					got := feed(t, c, text...)
					most := 0.0
					for _, x := range want {
						most = max(most, float64(x))
					}
					if d := distance(got, want); !(d < most/50) {
						t.Errorf("logits differ by %g of %g", d, most)
					}
				})
			}
		}
	}
}
