//go:build cgo

package runtime

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader"
)

// What is planned before the engine has read the header is what it then uses, for each
// architecture; a plan of more than that becomes one of that.
func TestThePlanIsOfTheTensorsThatTheEngineUses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.gguf")
	c := Options{}.config()
	less := 0
	cases := ggufcases.Architectures()
	if llama.Engine().ABI != llama.ABIBuiltin {
		cases = ggufcases.ArchitecturesV0_5()
	}
	for name, b := range cases {
		memtest.Need(t, os.WriteFile(path, b, 0o600))
		src, err := openSource(path, "", c, 0)
		if err != nil {
			continue // refused
		}
		planned := src.plan
		if planned.Bytes != src.index.Bytes() {
			less++
			if _, predicts := src.index.Lookup(src.index.Architecture() + ".nextn_predict_layers"); !predicts {
				t.Errorf("%s: %d of %d bytes are planned", name, planned.Bytes, src.index.Bytes())
			}
		}
		w, err := loadHeader(t.Context(), c, src, LoadMMap)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if w.plan != planned {
			t.Errorf("%s: %d bytes were planned, and the engine uses %d", name, planned.Bytes, w.plan.Bytes)
		}
		w.unload()
		all := func(string) bool { return true }
		if src.plan, err = loader.NewPlan(src.index, loader.PlanOptions{Uses: all}); err != nil {
			t.Fatal(err)
		}
		if w, err = loadHeader(t.Context(), c, src, LoadMMap); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if w.plan.Bytes != planned.Bytes || len(w.plan.Ranges) != len(planned.Ranges) || w.chunkSize != w.plan.ChunkSize {
			t.Errorf("%s: %d bytes in %d ranges, want %d in %d", name, w.plan.Bytes, len(w.plan.Ranges), planned.Bytes, len(planned.Ranges))
		}
		w.close()
	}
	if less < 2 {
		t.Errorf("%d architectures with layers that are not used", less)
	}
}
