package main

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/windows"
)

// endingSignals are Ctrl-C and Ctrl-Break, and SIGTERM, which Go makes of a console that is
// closed, of the end of a session and of a shutdown. The system waits five seconds for a
// process to end after those ("HandlerRoutine callback function").
func endingSignals() []os.Signal { return []os.Signal{os.Interrupt, syscall.SIGTERM} }

func ignoreBrokenPipes() {}

// isBrokenPipe tells whether nobody reads any more what a write was for: "the pipe has been
// ended" (109), "the pipe is being closed" (232) and "no process is on the other end of the
// pipe" (233). Which of them it is depends on the moment, and on the kind of pipe ("System
// error codes", "WriteFile").
func isBrokenPipe(err error) bool {
	for _, e := range []error{windows.ERROR_BROKEN_PIPE, windows.ERROR_NO_DATA, windows.ERROR_PIPE_NOT_CONNECTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

const endOfFileKey = "Ctrl-Z and Enter"

// setVariable is PowerShell's command that sets a variable of the environment.
const setVariable = `$env:%s = "%s"`

// limitOf names the limit that an error is about, "" where it is about none.
func limitOf(err error) string {
	if errors.Is(err, windows.ERROR_TOO_MANY_OPEN_FILES) {
		return "the limit of open files is reached"
	}
	return ""
}
