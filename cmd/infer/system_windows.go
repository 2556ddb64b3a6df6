package main

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/windows"
)

// endingSignals are Ctrl-C, Ctrl-Break and SIGTERM. Go maps the closing of the console, a log-off
// and a shutdown to SIGTERM; the system then ends the process after five seconds ("HandlerRoutine
// callback function").
func endingSignals() []os.Signal { return []os.Signal{os.Interrupt, syscall.SIGTERM} }

func ignoreBrokenPipes() {}

// isBrokenPipe reports whether a write failed because the reader has closed the pipe: "the pipe has
// been ended" (109), "the pipe is being closed" (232) or "no process is on the other end of the
// pipe" (233). Which of them depends on the timing and the kind of pipe ("System error codes",
// "WriteFile").
func isBrokenPipe(err error) bool {
	for _, e := range []error{windows.ERROR_BROKEN_PIPE, windows.ERROR_NO_DATA, windows.ERROR_PIPE_NOT_CONNECTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

const endOfFileKey = "Ctrl-Z and Enter"

// setVariable is the format of PowerShell's command that sets an environment variable.
const setVariable = `$env:%s = "%s"`

// limitOf names the limit of the system that has caused an error, or returns "".
func limitOf(err error) string {
	if errors.Is(err, windows.ERROR_TOO_MANY_OPEN_FILES) {
		return "the limit of open files is reached"
	}
	return ""
}
