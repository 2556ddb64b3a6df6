//go:build cgo && unix

package llama_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/llama"
)

// visits is a Layers that stops behind layers from a first one on.
type visits struct {
	first int
	seen  []string
}

func (v *visits) BeforeLayer(n int) bool {
	v.seen = append(v.seen, fmt.Sprint("before ", n))
	return n >= v.first
}

func (v *visits) AfterLayer(n int) { v.seen = append(v.seen, fmt.Sprint("after ", n)) }

func TestLayersAreToldInOrder(t *testing.T) {
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	want := decode(t, newContext(t, m, llama.ContextParams{Ctx: 64}), story)
	for _, tt := range []struct {
		first int
		want  string
	}{
		{0, "before 0,after 0,before 1,after 1,before 2,after 2,before 3,after 3,before 4,after 4,before 5,after 5"},
		{4, "before 0,before 1,before 2,before 3,before 4,after 4,before 5,after 5"},
		{6, "before 0,before 1,before 2,before 3,before 4,before 5"},
	} {
		v := &visits{first: tt.first}
		c := newContext(t, m, llama.ContextParams{Ctx: 64, Layers: v})
		v.seen = nil // making a context computes nothing
		if got := decode(t, c, story); !slices.Equal(got, want) {
			t.Errorf("stops from layer %d on change the logits", tt.first)
		}
		if got := strings.Join(v.seen, ","); got != tt.want {
			t.Errorf("stops from layer %d on: %s", tt.first, got)
		}
	}
	// A micro-batch is a pass.
	v := &visits{first: 5}
	decode(t, newContext(t, m, llama.ContextParams{Ctx: 256, UBatch: 32, Layers: v}), slices.Repeat(story, 20))
	if n := len(v.seen); n != 4*7 {
		t.Errorf("%d calls for 100 tokens in micro-batches of 32: %v", n, v.seen)
	}
}
