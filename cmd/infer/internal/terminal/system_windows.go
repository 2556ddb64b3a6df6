package terminal

import (
	"os"

	"golang.org/x/sys/windows"
)

// Codes makes a console understand escape sequences.
func Codes(f *os.File) bool {
	h := windows.Handle(f.Fd())
	var mode uint32
	if err := windows.GetConsoleMode(h, &mode); err != nil {
		return false
	}
	return windows.SetConsoleMode(h, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}

// Resizes never tells: Windows does so only to who reads the console's events.
func Resizes() (<-chan os.Signal, func()) { return nil, func() {} }
