// Package batching has the parts of continuous batching that need no engine: which cells of a
// KV cache texts share, and how an evaluation is divided among prompts.
package batching

// Cells counts the cells of a KV cache that texts with common prefixes use. It is not safe
// for concurrent use.
type Cells struct {
	used   int
	counts int // how many times cells were counted
}

// cell is the place of one token, in the texts that share it.
type cell struct {
	texts   int
	counted int // the last count that the cell is part of
}

// Used returns how many cells are in use: shared ones count once.
func (c *Cells) Used() int { return c.used }

// Of returns how many cells some texts use: shared ones count once.
func (c *Cells) Of(texts []*Text) (n int) {
	c.counts++
	for _, t := range texts {
		for _, x := range t.cells {
			if x.counted != c.counts {
				x.counted = c.counts
				n++
			}
		}
	}
	return n
}

// Text is the cells of one text.
type Text struct {
	of    *Cells
	cells []*cell
}

// NewText returns a text without tokens.
func (c *Cells) NewText() *Text { return &Text{of: c} }

// Len returns how many tokens the text has.
func (t *Text) Len() int { return len(t.cells) }

// Grow appends n tokens.
func (t *Text) Grow(n int) {
	for range n {
		t.cells = append(t.cells, &cell{texts: 1})
	}
	t.of.used += n
}

// Cut removes all tokens but the first n.
func (t *Text) Cut(n int) {
	for i := n; i < len(t.cells); i++ {
		if t.cells[i].texts--; t.cells[i].texts == 0 {
			t.of.used--
		}
	}
	t.cells = t.cells[:min(n, len(t.cells))]
}

// Share makes the text the first n tokens of another one.
func (t *Text) Share(other *Text, n int) {
	t.Cut(0)
	for _, c := range other.cells[:n] {
		c.texts++
	}
	t.cells = append(t.cells, other.cells[:n]...)
}
