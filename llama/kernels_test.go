//go:build cgo

package llama_test

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/models"
)

// A prompt at once has the logits that it has token by token: other kernels, or the engine, compute the second.
func TestPromptsAtOnceAreThoseTokenByToken(t *testing.T) {
	if llama.Kernels() == "" {
		t.Skip("no kernels for this CPU and engine")
	}
	text := kernelText()
	for name, path := range kernelModels(t) {
		for weights, params := range map[string]llama.ModelParams{"mapped": {MMap: true}, "repacked": {Repack: true}} {
			t.Run(name+" "+weights, func(t *testing.T) {
				c := newContext(t, load(t, path, params), llama.ContextParams{Ctx: 64, Threads: 2})
				var want []float32
				for _, tok := range text {
					want = feed(t, c, tok)
				}
				check(t, c.Clear())
				alike(t, feed(t, c, text...), want)
			})
		}
	}
}

// alike fails if logits differ by more than the roundings of two kernels. Where these round in another order, numbers
// are quantised to a neighbour between two layers.
func alike(t *testing.T, got, want []float32) {
	t.Helper()
	most := 0.0
	for _, x := range want {
		most = max(most, float64(x))
	}
	if d := distance(got, want); !(d < most/50) {
		t.Errorf("logits differ by %g of %g", d, most)
	}
}

func kernelText() (text []at) {
	for i := range llama.Pos(41) {
		text = append(text, at{llama.Token(300 + 7*i), i, []llama.SeqID{0}})
	}
	return text
}

// kernelModels returns a model of each type that has kernels, with and without experts.
func kernelModels(t *testing.T) map[string]string {
	all, dir := map[string]string{}, t.TempDir()
	for name, shape := range map[string]string{
		"dense":   "layers=2,width=256,heads=8,kv_heads=4,ffn=768,vocab=1536",
		"experts": "layers=2,width=256,heads=8,kv_heads=4,ffn=256,vocab=1536,experts=6,experts_used=2",
	} {
		parsed, err := models.ParseShape(shape)
		check(t, err)
		f16 := filepath.Join(dir, name+".gguf")
		check(t, models.Synthesize(t.Context(), f16, models.SynthesizeOptions{Shape: parsed, Seed: 4}))
		for _, typ := range []string{"q4_0", "q8_0", "mxfp4_moe", "iq4_xs", "q4_K_S", "q5_K_S", "q6_K"} {
			if typ == "mxfp4_moe" && name == "dense" {
				continue
			}
			path := filepath.Join(dir, name+typ+".gguf")
			check(t, llama.Quantize(t.Context(), f16, path, llama.QuantizeParams{Type: typ, Pure: true}))
			all[name+" "+typ] = path
		}
	}
	return all
}

func init() {
	// Prints the logits of each mapped model for the text at once.
	children["logits"] = func(args []string) int {
		var all [][]float32
		for _, path := range args {
			logits, err := logitsAtOnce(path)
			if err != nil {
				return childError(err)
			}
			all = append(all, logits)
		}
		if err := json.NewEncoder(os.Stdout).Encode(all); err != nil {
			return childError(err)
		}
		return 0
	}
}

func logitsAtOnce(path string) ([]float32, error) {
	m, err := llama.LoadModel(context.Background(), path, llama.ModelParams{MMap: true})
	if err != nil {
		return nil, err
	}
	defer m.Close()
	c, err := m.NewContext(llama.ContextParams{Ctx: 64, Threads: 2})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return fed(context.Background(), c, kernelText()...)
}

// Each set of kernels has the logits of the engine's, for weights in the file's layout.
func TestKernelsHaveTheLogitsOfTheEngine(t *testing.T) {
	if llama.Kernels() == "" {
		t.Skip("no kernels for this CPU and engine")
	}
	all := kernelModels(t)
	names := slices.Sorted(maps.Keys(all))
	logits := func(set string) (of [][]float32) {
		var paths []string
		for _, name := range names {
			paths = append(paths, all[name])
		}
		cmd := memtest.Child("logits", paths...)
		cmd.Env = append(cmd.Env, "INFER_KERNELS="+set)
		out, err := cmd.Output()
		check(t, err)
		check(t, json.Unmarshal(out, &of))
		return of
	}
	want := logits("engine")
	for _, set := range []string{"avx2", llama.Kernels()} {
		same := 0
		for i, got := range logits(set) {
			t.Run(set+" "+names[i], func(t *testing.T) { alike(t, got, want[i]) })
			if slices.Equal(got, want[i]) {
				same++
			}
		}
		if same > len(names)/2 {
			t.Errorf("%s: the engine's kernels were used", set)
		}
	}
}
