//go:build unix

package terminal

import (
	"os"
	"os/signal"
	"syscall"
)

// Codes prepares a terminal for escape sequences.
func Codes(*os.File) bool { return os.Getenv("TERM") != "dumb" }

// Resizes returns a channel that receives a value when the terminal's size changes, and a function
// that ends this.
func Resizes() (<-chan os.Signal, func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGWINCH)
	return c, func() { signal.Stop(c) }
}
