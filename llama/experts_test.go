//go:build cgo

package llama_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
)

// reversed keeps the experts of each layer in slots in reverse order.
type reversed struct {
	visits
	experts map[int]int // of each layer
	choices int
	awaited map[string]bool
}

func (r *reversed) BeforeExperts(layer int, ids, slots []int32) bool {
	r.choices++
	for i, id := range ids {
		slots[i] = int32(r.experts[layer]) - 1 - id
	}
	return true
}

func (r *reversed) AwaitExperts(tensor string) (more, ok bool) {
	r.awaited[tensor] = true
	return len(r.awaited)%2 == 0, true
}

func (r *reversed) AfterExperts(int) {}

// In every architecture with experts, what a layer computes with is in slots, whatever the order of
// its experts there: nothing is read where the tensors are bound. One choice is told for each layer
// and micro-batch.
func TestEveryArchitectureUsesExpertsFromSlots(t *testing.T) {
	memtest.WithoutRace(t)
	dir, all := t.TempDir(), 0
	for name, b := range ggufcases.QuantisedWith(llama.Engine().ABI) {
		if !strings.Contains(string(b), "_exps.weight") || strings.Contains(name, "bert") { // which has no logits
			continue
		}
		all++
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, strings.ReplaceAll(name, " ", "-")+".gguf")
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			tokens := []llama.Token{1, 300, 20, 50}
			want := decode(t, newContext(t, load(t, path, llama.ModelParams{MMap: true}), llama.ContextParams{Ctx: 64}), tokens)
			m, ws, places := twice(t, path)
			ix, err := openIndex(path)
			check(t, err)
			defer ix.Close()
			skipped := engineRules().Skipped(ix) // of layers that predict further tokens, which no graph uses
			expertsOf := func(name string) (layer, experts int) {
				x, _ := ix.Tensor(name)
				if n, _ := fmt.Sscanf(name, "blk.%d.", &layer); n == 1 && strings.HasSuffix(name, "_exps.weight") && len(x.Shape) == 3 && !skipped(name) {
					experts = int(x.Shape[2])
				}
				return layer, experts
			}
			r := &reversed{experts: map[int]int{}, awaited: map[string]bool{}}
			for i, w := range ws {
				layer, experts := expertsOf(w.Name)
				if experts == 0 {
					continue
				}
				p := places[w.Name]
				size := len(p.bound) / experts
				for n := range experts {
					copy(p.slot[n*size:], p.bound[(experts-1-n)*size:][:size])
				}
				for n := range p.bound {
					p.bound[n] = 0xff
				}
				r.experts[layer] = experts
				check(t, m.StreamExperts(i, layer, unsafe.Pointer(&p.slot[0]), uintptr(size), experts))
			}
			c := newContext(t, m, llama.ContextParams{Ctx: 64, Layers: r})
			clear(r.awaited)
			r.choices = 0
			if got := decode(t, c, tokens); !slices.Equal(got, want) {
				t.Error("other logits than without slots")
			}
			if r.choices != len(r.experts) {
				t.Errorf("%d choices of %d layers", r.choices, len(r.experts))
			}
			for _, w := range ws {
				if _, n := expertsOf(w.Name); n > 0 && !r.awaited[w.Name] {
					t.Errorf("%s has slots, and is not used", w.Name)
				}
			}
		})
	}
	if all < 30 {
		t.Errorf("%d models have experts", all)
	}
}
