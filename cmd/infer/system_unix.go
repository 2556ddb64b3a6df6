//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// endingSignals are the signals that ask the program to end. A hang-up that is
// ignored from the start (nohup) stays so.
func endingSignals() []os.Signal {
	s := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		s = append(s, syscall.SIGHUP)
	}
	return s
}

// ignoreBrokenPipes makes writing to a closed pipe an error instead of the end of
// the process, so that temporary files are removed first.
func ignoreBrokenPipes() { signal.Ignore(syscall.SIGPIPE) }

// isBrokenPipe tells whether nobody reads any more what a write was for.
func isBrokenPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }

// endOfFileKey ends what is typed.
const endOfFileKey = "Ctrl-D"

// setVariable is the shell's command that sets a variable of the environment.
const setVariable = `export %s="%s"`

// limitOf names the limit that an error is about, "" where it is about none.
func limitOf(err error) string {
	switch {
	case errors.Is(err, syscall.EMFILE):
		var l syscall.Rlimit
		if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
			return "raise the limit of open files (ulimit -n)"
		}
		return fmt.Sprintf("the limit of open files (RLIMIT_NOFILE, ulimit -n) is %d: more are needed, raise it", l.Cur)
	case errors.Is(err, syscall.ENFILE):
		return "the system's limit of open files (fs.file-max) is reached: raise it"
	}
	return ""
}
