//go:build cgo

package llama_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
)

// visits is a Layers whose layers are in their slots or not.
type visits struct {
	away []int
	seen []string
}

func (v *visits) BeforeLayer(n int) bool {
	v.seen = append(v.seen, fmt.Sprint("before ", n))
	return !slices.Contains(v.away, n)
}

func (v *visits) AfterLayer(n int) { v.seen = append(v.seen, fmt.Sprint("after ", n)) }

// twoPlaces are the two copies of a tensor's bytes: the bound one and the one in a slot.
type twoPlaces struct{ bound, slot []byte }

// twice loads a model with each of its tensors in two places.
func twice(t *testing.T, path string) (*llama.Model, []llama.Weight, map[string]twoPlaces) {
	t.Helper()
	ix, err := openIndex(path)
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Close()
	h := newHeap(1 << 20)
	block := func(size uint64) []byte {
		p, err := h.AllocBlock(llama.PurposeWeights, uintptr(size))
		memtest.Need(t, err)
		return unsafe.Slice((*byte)(p), size)
	}
	scratch := block(16 << 20)
	m := load(t, path, llama.ModelParams{Unbound: true, Scratch: unsafe.Pointer(&scratch[0]), ScratchSize: uintptr(len(scratch))})
	ws, err := m.Weights()
	if err != nil {
		t.Fatal(err)
	}
	places := map[string]twoPlaces{}
	for i, w := range ws {
		p := twoPlaces{block(w.Size), block(w.Size)}
		x, _ := ix.Tensor(w.Name)
		for _, b := range [][]byte{p.bound, p.slot} {
			if _, err := ix.File(x.File).ReadAt(b, x.Offset); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.Bind(i, unsafe.Pointer(&p.bound[0])); err != nil {
			t.Fatal(err)
		}
		places[w.Name] = p
	}
	return m, ws, places
}

func TestStreamedLayersAreUsedFromTheirSlots(t *testing.T) {
	want := decode(t, newContext(t, load(t, tinyF16, llama.ModelParams{MMap: true}), llama.ContextParams{Ctx: 64}), story)
	m, ws, places := twice(t, tinyF16)
	stream := func(layers ...int) {
		t.Helper()
		for i, w := range ws {
			if err := m.Stream(i, 0, nil); err != nil {
				t.Fatal(err)
			}
			for _, n := range layers {
				if strings.HasPrefix(w.Name, fmt.Sprintf("blk.%d.", n)) {
					if err := m.Stream(i, n, unsafe.Pointer(&places[w.Name].slot[0])); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
	// spoil overwrites bytes that must not be read, and restores them afterwards.
	spoil := func(of func(twoPlaces) []byte, layers ...int) (undo func()) {
		var undos []func()
		for name, p := range places {
			for _, n := range layers {
				if strings.HasPrefix(name, fmt.Sprintf("blk.%d.", n)) {
					b, old := of(p), slices.Clone(of(p))
					for i := range b {
						b[i] = 0x3c
					}
					undos = append(undos, func() { copy(b, old) })
				}
			}
		}
		return func() {
			for _, f := range undos {
				f()
			}
		}
	}
	bound, slot := func(p twoPlaces) []byte { return p.bound }, func(p twoPlaces) []byte { return p.slot }
	for _, tt := range []struct {
		streamed, away []int
		want           string
	}{
		{nil, nil, ""},
		{[]int{1, 4}, nil, "before 1,after 1,before 4,after 4"},
		{[]int{0, 5}, nil, "before 0,after 0,before 5,after 5"},
		{[]int{0, 1, 2, 3, 4, 5}, []int{2, 3}, "before 0,after 0,before 1,after 1,before 2,after 2,before 3,after 3,before 4,after 4,before 5,after 5"},
		{[]int{3}, []int{3}, "before 3,after 3"},
	} {
		t.Run(fmt.Sprint(tt.streamed, tt.away), func(t *testing.T) {
			stream(tt.streamed...)
			v := &visits{away: tt.away}
			in := slices.DeleteFunc(slices.Clone(tt.streamed), func(n int) bool { return slices.Contains(tt.away, n) })
			defer spoil(bound, in...)()
			defer spoil(slot, tt.away...)()
			c := newContext(t, m, llama.ContextParams{Ctx: 64, Layers: v})
			v.seen = nil // making a context computes nothing
			if got := decode(t, c, story); !slices.Equal(got, want) {
				t.Error("the logits are others")
			}
			if got := strings.Join(v.seen, ","); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}

	// Each micro-batch is a pass. Layers that are no longer streamed are read where they are bound.
	stream(5)
	v := &visits{}
	c := newContext(t, m, llama.ContextParams{Ctx: 256, UBatch: 32, Layers: v})
	decode(t, c, slices.Repeat(story, 20))
	if n := len(v.seen); n != 4*2 {
		t.Errorf("%d calls for 100 tokens in micro-batches of 32: %v", n, v.seen)
	}
	stream()
	defer spoil(slot, 5)()
	if got := decode(t, newContext(t, m, llama.ContextParams{Ctx: 64}), story); !slices.Equal(got, want) {
		t.Error("a layer that is not streamed any more is looked for in its slot")
	}
	if err := errors.Join(m.Stream(-1, 0, nil), m.Stream(len(ws), 0, nil), m.Stream(0, -1, nil)); !errors.Is(err, llama.ErrArgument) {
		t.Errorf("%v", err)
	}
}
