// Package terminal writes to terminals: progress bars, and texts that are redrawn in place.
package terminal

import (
	"os"

	"golang.org/x/term"
)

// Is reports whether a stream is a terminal.
func Is(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Size returns the columns and rows of a terminal, 0 if unknown.
func Size(f *os.File) (columns, rows int) {
	w, h, err := term.GetSize(int(f.Fd()))
	if err != nil || w < 0 || h < 0 {
		return 0, 0
	}
	return w, h
}

// Width returns the columns of a terminal, 0 if unknown.
func Width(f *os.File) int {
	w, _ := Size(f)
	return w
}
