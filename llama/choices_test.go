//go:build cgo

package llama_test

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/models"
)

// choices counts how often the router of each layer chooses each expert.
type choices struct {
	visits
	counts map[int]map[int32]int
}

func (c *choices) BeforeExperts(layer int, ids, _ []int32) bool {
	if c.counts[layer] == nil {
		c.counts[layer] = map[int32]int{}
	}
	for _, id := range ids {
		c.counts[layer][id]++
	}
	return false // in no slots
}

func (c *choices) AwaitExperts(string) (more, ok bool) { return false, false }

func (c *choices) AfterExperts(int) {}

// The engine's routers choose experts with the skew that the shape asks for.
func TestTheSkewOfASynthesizedMixtureIsThatOfItsChoices(t *testing.T) {
	memtest.WithoutRace(t)
	const layers, experts, used, tokens = 4, 32, 4, 150
	for _, arch := range []string{"llama", "qwen3moe", "gpt-oss", "granitehybrid"} {
		for _, skew := range []float64{0, 0.8} {
			t.Run(fmt.Sprint(arch, " ", skew), func(t *testing.T) {
				text := fmt.Sprintf("layers=%d,width=256,heads=4,kv_heads=2,ffn=32,vocab=2000,experts=%d,experts_used=%d,arch=%s", layers, experts, used, arch)
				if skew > 0 {
					text += fmt.Sprint(",experts_skew=", skew)
				}
				shape, err := models.ParseShape(text)
				check(t, err)
				path := filepath.Join(t.TempDir(), "m.gguf")
				check(t, models.Synthesize(t.Context(), path, models.SynthesizeOptions{Shape: shape, Seed: 4}))

				m, ws, places := twice(t, path)
				hot := map[int][]int32{} // the half of the experts with the longer rows
				for i, w := range ws {
					var layer int
					var name string
					if n, _ := fmt.Sscanf(w.Name, "blk.%d.%s", &layer, &name); n < 2 {
						continue
					}
					switch name {
					case "ffn_gate_inp.weight":
						hot[layer] = longest(places[w.Name].bound, experts)[:experts/2]
					case "ffn_gate_exps.weight":
						slot := places[w.Name].slot
						check(t, m.StreamExperts(i, layer, unsafe.Pointer(&slot[0]), uintptr(len(slot)/experts), 1))
					}
				}
				seen := &choices{counts: map[int]map[int32]int{}}
				c := newContext(t, m, llama.ContextParams{Ctx: tokens, Threads: 1, Layers: seen})
				clear(seen.counts)
				greedily(t, m, c, 1, tokens)

				all := 0
				for layer := range layers {
					n := 0
					for _, id := range hot[layer] {
						n += seen.counts[layer][id]
					}
					all += n
					share := float64(n) / (used * tokens)
					t.Logf("layer %d: %.3f", layer, share)
				}
				want := cmp.Or(skew, 0.5)
				if share := float64(all) / (layers * used * tokens); math.Abs(share-want) > 0.07 {
					t.Errorf("half of the experts take %.3f of the choices, want %g", share, want)
				}
			})
		}
	}
}

// longest orders the rows of a matrix of f32 by their length.
func longest(matrix []byte, rows int) []int32 {
	length := make([]float64, rows)
	for i := 0; i < len(matrix); i += 4 {
		f := float64(math.Float32frombits(binary.LittleEndian.Uint32(matrix[i:])))
		length[i*rows/len(matrix)] += f * f
	}
	order := make([]int32, rows)
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int { return cmp.Compare(length[b], length[a]) })
	return order
}

// greedily evaluates a token and what follows it, n tokens in all.
func greedily(t *testing.T, m *llama.Model, c *llama.Context, token llama.Token, n int) []llama.Token {
	t.Helper()
	s, err := m.NewSampler()
	check(t, err)
	defer s.Close()
	check(t, s.AddGreedy())
	b, err := llama.NewBatch(1, 1)
	check(t, err)
	defer b.Close()
	var tokens []llama.Token
	for pos := range n {
		b.Clear()
		check(t, b.Add(token, llama.Pos(pos), true))
		check(t, c.Decode(t.Context(), b))
		token, err = s.Sample(c, -1)
		check(t, err)
		tokens = append(tokens, token)
	}
	return tokens
}
