package batching

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// Cells are compared with a count of the distinct prefixes.
func TestSharedCellsCountOnce(t *testing.T) {
	var c Cells
	a, b := c.NewText(), c.NewText()
	a.Grow(10)
	b.Share(a, 6)
	b.Grow(3)
	if c.Used() != 13 || c.Of([]*Text{a}) != 10 || c.Of([]*Text{b}) != 9 || c.Of([]*Text{a, b}) != 13 || b.Len() != 9 {
		t.Errorf("%d used, %d and %d of the texts, length %d", c.Used(), c.Of([]*Text{a}), c.Of([]*Text{b}), b.Len())
	}
	a.Cut(2)
	if c.Used() != 9 || c.Of([]*Text{a}) != 2 || c.Of(nil) != 0 {
		t.Errorf("after a cut: %d used, %d of the text", c.Used(), c.Of([]*Text{a}))
	}
	a.Cut(0)
	b.Cut(0)
	if c.Used() != 0 {
		t.Errorf("%d cells are left", c.Used())
	}
}

func TestAllTextsTogetherUseWhatTheyUseAlone(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var c Cells
	texts := []*Text{c.NewText(), c.NewText(), c.NewText(), c.NewText()}
	for range 2000 {
		x, y := texts[r.IntN(4)], texts[r.IntN(4)]
		switch r.IntN(3) {
		case 0:
			x.Grow(r.IntN(20))
		case 1:
			x.Cut(r.IntN(x.Len() + 1))
		case 2:
			if x != y {
				x.Share(y, r.IntN(y.Len()+1))
			}
		}
		distinct := map[*cell]bool{}
		for _, t := range texts {
			for _, p := range t.cells {
				distinct[p] = true
			}
		}
		if len(distinct) != c.Used() || len(distinct) != c.Of(texts) {
			t.Fatalf("%d cells, %d and %d counted", len(distinct), c.Used(), c.Of(texts))
		}
	}
}

func TestPromptsShareAnEvaluation(t *testing.T) {
	for _, c := range []struct {
		left []int
		room int
		want []int
	}{
		{nil, 8, []int{}},
		{[]int{100}, 8, []int{8}},
		{[]int{3}, 8, []int{3}},
		{[]int{100, 100}, 8, []int{8, 0}},
		{[]int{100, 3}, 8, []int{5, 3}},
		{[]int{100, 50, 3}, 9, []int{5, 1, 3}},
		{[]int{2, 100}, 8, []int{2, 6}},
		{[]int{5, 5}, 0, []int{0, 0}},
	} {
		if got := Shares(c.left, c.room); !slices.Equal(got, c.want) {
			t.Errorf("%d tokens for %v: %v, want %v", c.room, c.left, got, c.want)
		}
	}
}
