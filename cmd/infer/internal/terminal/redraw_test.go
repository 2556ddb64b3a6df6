package terminal

import (
	"bytes"
	"fmt"
	"testing"
)

func TestRedrawerDrawsOverWhatWasThere(t *testing.T) {
	out := &countedWriter{}
	r := &Redrawer{W: out, Size: func() (columns, rows int) { return 20, 4 }}
	if err := r.End(); err != nil || out.String() != "" {
		t.Errorf("nothing drawn, and yet %q, %v", out.String(), err)
	}
	for i := range 2 {
		if err := r.Draw(func(columns, rows int) string { return fmt.Sprintf("%d of\n%d by %d\n", i, columns, rows) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.End(); err != nil {
		t.Fatal(err)
	}
	want := "\n\n\n\x1b[H0 of\x1b[K\n20 by 4\x1b[K\n\x1b[J" + "\x1b[H1 of\x1b[K\n20 by 4\x1b[K\n\x1b[J" + ClearLine
	if out.String() != want || out.n != -3 {
		t.Errorf("%q in %d writes, want %q in 3", out.String(), -out.n, want)
	}
}

// countedWriter counts its writes, downwards.
type countedWriter struct {
	b bytes.Buffer // not embedded: its WriteString would not count
	n int
}

func (w *countedWriter) Write(p []byte) (int, error) {
	w.n--
	return w.b.Write(p)
}

func (w *countedWriter) String() string { return w.b.String() }
