package terminal

import (
	"io"
	"strings"
)

// Redrawer shows texts on a terminal, each over the one before. A text is one Write
// and nothing is cleared before something else stands there, so that nothing flickers.
type Redrawer struct {
	W    io.Writer
	Size func() (columns, rows int)

	drawn bool
}

// Draw shows a text, which is made for the size that the terminal has then.
func (r *Redrawer) Draw(text func(columns, rows int) string) error {
	columns, rows := r.Size()
	var b strings.Builder
	if !r.drawn {
		// What is on the screen scrolls out of it rather than being lost.
		b.WriteString(strings.Repeat("\n", max(rows-1, 0)))
		r.drawn = true
	}
	b.WriteString("\x1b[H") // the top left corner
	for line := range strings.Lines(text(columns, rows)) {
		b.WriteString(strings.TrimSuffix(line, "\n") + "\x1b[K\n") // the rest of the line
	}
	b.WriteString("\x1b[J") // what a longer text has left below
	_, err := io.WriteString(r.W, b.String())
	return err
}

// End clears what the terminal shows of the key that ended it.
func (r *Redrawer) End() error {
	if !r.drawn {
		return nil
	}
	_, err := io.WriteString(r.W, ClearLine)
	return err
}
