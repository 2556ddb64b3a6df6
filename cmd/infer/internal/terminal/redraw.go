package terminal

import (
	"io"
	"strings"
)

// Redrawer shows texts on a terminal, each in place of the one before. To avoid flicker, a text is
// one Write, and the screen is overwritten rather than cleared first.
type Redrawer struct {
	W    io.Writer
	Size func() (columns, rows int)

	drawn bool
}

// Draw shows a text, which must fit the current size of the terminal.
func (r *Redrawer) Draw(text func(columns, rows int) string) error {
	columns, rows := r.Size()
	var b strings.Builder
	if !r.drawn {
		// The screen's content is scrolled out rather than overwritten.
		b.WriteString(strings.Repeat("\n", max(rows-1, 0)))
		r.drawn = true
	}
	b.WriteString("\x1b[H") // the top left corner
	for line := range strings.Lines(text(columns, rows)) {
		b.WriteString(strings.TrimSuffix(line, "\n") + "\x1b[K\n") // clear the rest of the line
	}
	b.WriteString("\x1b[J") // clear the rest of a longer text below
	_, err := io.WriteString(r.W, b.String())
	return err
}

// End clears the terminal's echo of the key that ended the display (^C).
func (r *Redrawer) End() error {
	if !r.drawn {
		return nil
	}
	_, err := io.WriteString(r.W, ClearLine)
	return err
}
