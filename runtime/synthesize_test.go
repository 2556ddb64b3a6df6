//go:build cgo

package runtime_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/runtime"
)

// synthetic are small mixtures in the layout of each architecture, and what is no mixture.
var synthetic = []struct{ name, shape string }{
	{"llama", "layers=5,width=128,heads=4,kv_heads=2,ffn=64,vocab=600,experts=16"},
	{"llama, large heads", "layers=5,width=128,heads=4,head_size=64,kv_heads=2,ffn=64,vocab=600,experts=16"},
	{"qwen3moe", "arch=qwen3moe,layers=5,width=128,heads=4,head_size=64,kv_heads=2,ffn=64,vocab=600,experts=16"},
	{"gpt-oss", "arch=gpt-oss,layers=5,width=96,heads=4,head_size=32,kv_heads=2,ffn=64,vocab=600,experts=16,window=8"},
	{"granitehybrid", "arch=granitehybrid,layers=6,width=128,heads=4,kv_heads=2,ffn=64,vocab=600,experts=16"},
	{"granitehybrid without experts", "arch=granitehybrid,layers=2,width=128,heads=4,kv_heads=2,ffn=64,vocab=600"},
}

func TestSynthesizedArchitecturesGenerate(t *testing.T) {
	for _, a := range synthetic {
		for _, skew := range []string{"", ",experts_skew=0.8"} {
			shape, types := a.shape+skew, []string{"q4_0", "mxfp4_moe"}
			if skew != "" {
				types = types[:1]
			}
			if !strings.Contains(shape, "experts=") && skew != "" {
				continue
			}
			t.Run(a.name+skew, func(t *testing.T) {
				for _, typ := range types {
					path := model(t, shape, typ)
					tokens := func(path string, o runtime.Options) []int32 {
						t.Helper()
						got, _, err := greedy(t.Context(), path, o, budgeted, 12)
						if err != nil || len(got) != 12 {
							t.Fatalf("%s: %d tokens, %v", typ, len(got), err)
						}
						return got
					}
					want := tokens(path, runtime.Options{Load: runtime.LoadStock, NoRepack: true})
					equal(t, typ+", mapped: tokens", tokens(path, runtime.Options{Load: runtime.LoadMMap}), want)
					want = tokens(path, runtime.Options{Load: runtime.LoadStock})
					equal(t, typ+", copied: tokens", tokens(path, runtime.Options{Load: runtime.LoadCopy}), want)
					packed := filepath.Join(t.TempDir(), "packed.gguf")
					if err := runtime.Pack(t.Context(), path, packed, runtime.PackOptions{}); err == nil {
						equal(t, typ+", packed: tokens", tokens(packed, runtime.Options{}), want)
					} else if !errors.Is(err, runtime.ErrNothingToPack) {
						t.Error(err)
					}
				}
			})
		}
	}
}

// A synthesized file is what the engine's quantiser makes of its f16 twin.
func TestSynthesizedArchitecturesAreWhatTheQuantiserMakes(t *testing.T) {
	for _, a := range synthetic {
		for _, typ := range []string{"q4_k_m", "mxfp4_moe"} {
			t.Run(a.name+", "+typ, func(t *testing.T) {
				made := filepath.Join(t.TempDir(), "quantised.gguf")
				if err := runtime.Quantize(t.Context(), model(t, a.shape, "f16"), made, runtime.QuantizeOptions{Type: typ}); err != nil {
					t.Fatal(err)
				}
				want, err := loader.Open(made)
				if err != nil {
					t.Fatal(err)
				}
				defer want.Close()
				got, err := loader.Open(model(t, a.shape, typ))
				if err != nil {
					t.Fatal(err)
				}
				defer got.Close()
				if len(got.Tensors()) != len(want.Tensors()) {
					t.Fatalf("%d tensors, want %d", len(got.Tensors()), len(want.Tensors()))
				}
				for _, w := range want.Tensors() {
					g, _ := got.Tensor(w.Name)
					if g.Type != w.Type {
						t.Errorf("%s is %v, the quantiser makes it %v", w.Name, g.Type, w.Type)
						continue
					}
					a, b := make([]byte, w.Size), make([]byte, w.Size)
					if _, err := want.File(w.File).ReadAt(a, w.Offset); err != nil {
						t.Fatal(err)
					}
					if _, err := got.File(g.File).ReadAt(b, g.Offset); err != nil {
						t.Fatal(err)
					}
					if !bytes.Equal(a, b) {
						t.Errorf("%s has other bytes than the quantiser makes", w.Name)
					}
				}
			})
		}
	}
}
