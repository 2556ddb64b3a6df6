//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// endingSignals are the signals that end the program. A hang-up that was ignored when the program
// started (nohup) stays ignored.
func endingSignals() []os.Signal {
	s := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		s = append(s, syscall.SIGHUP)
	}
	return s
}

// ignoreBrokenPipes makes a write to a closed pipe fail instead of ending the process, so that
// temporary files are removed.
func ignoreBrokenPipes() { signal.Ignore(syscall.SIGPIPE) }

// isBrokenPipe reports whether a write failed because the reader has closed the pipe.
func isBrokenPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }

// endOfFileKey is the key that ends input from a terminal.
const endOfFileKey = "Ctrl-D"

// setVariable is the format of the shell's command that sets an environment variable.
const setVariable = `export %s="%s"`

// limitOf names the limit of the system that has caused an error, or returns "".
func limitOf(err error) string {
	switch {
	case errors.Is(err, syscall.EMFILE):
		var l syscall.Rlimit
		if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
			return "raise the limit of open files (ulimit -n)"
		}
		return fmt.Sprintf("the limit of open files (RLIMIT_NOFILE) is %d: raise it with ulimit -n", l.Cur)
	case errors.Is(err, syscall.ENFILE):
		return "the system's limit of open files is reached: raise fs.file-max"
	}
	return ""
}
