//go:build cgo

package runtime_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/runtime"
)

// The last layer of these models predicts further tokens, and the engine leaves it out: no memory
// is counted or taken for it. With a budget for the others, nothing is streamed.
func TestNoMemoryIsForLayersThatTheEngineLeavesOut(t *testing.T) {
	for name, experts := range map[string]int{"glm4moe nextn": 3 * 4, "bailingmoe2 nextn": 2 * 4} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "model.gguf")
			if err := os.WriteFile(path, ggufcases.Wide(name, 8), 0o600); err != nil {
				t.Fatal(err)
			}
			used, all := usedOf(t, path)
			if used > all*4/5 {
				t.Fatalf("%d of %d bytes are used: too many to be seen", used, all)
			}
			want, _, err := greedy(t.Context(), path, runtime.Options{Load: runtime.LoadMMap}, budgeted, 8)
			if err != nil {
				t.Fatal(err)
			}
			other := budgetOf(t, path, budgeted, 0)
			const slack = 4 << 20 // half of what is left out: pages, and what the process takes meanwhile
			o := runtime.Options{Load: runtime.LoadMMap, MaxMemory: other + used + slack, Session: budgeted}
			f, err := runtime.Plan(t.Context(), path, o)
			if err != nil {
				t.Fatal(err)
			}
			p := f.Modes[0]
			if b := p.Budget; b.Streamed > 0 || b.Layers > 0 || b.Experts > 0 || p.Weights > used+slack {
				t.Errorf("%d bytes are used: planned %d, %+v", used, p.Weights, b)
			}
			got, r, err := greedy(t.Context(), path, o, budgeted, 8)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "with all that is used", got, want)
			if x := r.Residency; x.Streamed > 0 || x.Experts != nil || x.Layers != 3 || x.Resident > used+slack || r.WeightBytes != used {
				t.Errorf("%d bytes are used: %d, %+v", used, r.WeightBytes, x)
			}
			o.MaxMemory = other + used*7/8
			if got, r, err = greedy(t.Context(), path, o, budgeted, 8); err != nil {
				t.Fatal(err)
			}
			equal(t, "with less", got, want)
			if e := r.Residency.Experts; e == nil || e.Experts != experts {
				t.Errorf("%d experts are used: %+v", experts, e)
			}
			got, r, err = greedy(t.Context(), path, runtime.Options{Load: runtime.LoadCopy, NoRepack: true}, budgeted, 8)
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "copied", got, want)
			if n := r.Memory.Of(memory.PurposeWeights).Current; n < used || n > used+slack {
				t.Errorf("copied: %d bytes, want %d", n, used)
			}
		})
	}
}

// usedOf returns the size of the tensors of a model with 4 layers without those of the last, and of
// all.
func usedOf(t *testing.T, path string) (used, all uint64) {
	t.Helper()
	ix, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Close()
	for _, x := range ix.Tensors() {
		if all += x.Size; !strings.HasPrefix(x.Name, "blk.3.") {
			used += x.Size
		}
	}
	return used, all
}
