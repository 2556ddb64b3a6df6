package main

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

func endingSignals() []os.Signal { return []os.Signal{os.Interrupt} }

// resizes never tells: Windows does so only to who reads the console's events.
func resizes() (<-chan os.Signal, func()) { return nil, func() {} }

func ignoreBrokenPipes() {}

func isBrokenPipe(err error) bool {
	return errors.Is(err, windows.ERROR_BROKEN_PIPE) || errors.Is(err, windows.ERROR_NO_DATA)
}

const endOfFileKey = "Ctrl-Z and Enter"

// terminalCodes makes a console understand escape sequences.
func terminalCodes(f *os.File) bool {
	h := windows.Handle(f.Fd())
	var mode uint32
	if err := windows.GetConsoleMode(h, &mode); err != nil {
		return false
	}
	return windows.SetConsoleMode(h, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}

// limitOf names the limit that an error is about, "" where it is about none.
func limitOf(err error) string {
	if errors.Is(err, windows.ERROR_TOO_MANY_OPEN_FILES) {
		return "the limit of open files is reached"
	}
	return ""
}
