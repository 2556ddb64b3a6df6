package main

import (
	"os"

	"golang.org/x/term"
)

// isTerminal tells whether a stream is one that a person sits at.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// terminalSize returns the columns and rows of a terminal, 0 where unknown.
func terminalSize(f *os.File) (columns, rows int) {
	w, h, err := term.GetSize(int(f.Fd()))
	if err != nil || w < 0 || h < 0 {
		return 0, 0
	}
	return w, h
}

// terminalWidth returns the columns of a terminal, 0 where unknown.
func terminalWidth(f *os.File) int {
	w, _ := terminalSize(f)
	return w
}
