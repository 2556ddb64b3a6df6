package terminal

import (
	"os"

	"golang.org/x/sys/windows"
)

// Codes switches a console to interpret escape sequences.
func Codes(f *os.File) bool {
	h := windows.Handle(f.Fd())
	var mode uint32
	if err := windows.GetConsoleMode(h, &mode); err != nil {
		return false
	}
	return windows.SetConsoleMode(h, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}

// Resizes returns a channel that never receives: Windows reports a new size only to readers of
// console events.
func Resizes() (<-chan os.Signal, func()) { return nil, func() {} }
