// Command infer generates text from GGUF models on machines short of memory, and
// looks into, tokenizes for, quantises and makes such models.
//
// Standard output carries results alone; progress, figures and errors go to standard
// error, an error as one line. It exits with 0, with 1 for a failure, 2 for wrong
// usage, 3 where there is not enough memory or another limit of the system is reached,
// and 128 plus the signal's number (130 for Ctrl-C) when interrupted. Run infer --help for the rest.
//
// Text that it reads is UTF-8, or what its byte order mark says. On Windows a console that is
// closed counts as a signal, SIGTERM.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/seed7adf6694/infer/llama/start"
)

func main() {
	start.Prepare()
	ctx := interruptible()
	var stdin io.Reader = os.Stdin
	var stdout io.Writer = os.Stdout
	if start.Closed(0) {
		stdin = nil
	}
	if start.Closed(1) {
		stdout = closedOutput{}
	}
	os.Exit(run(ctx, os.Args[1:], stdin, stdout, os.Stderr))
}

// interrupted is why a context ended: a signal. It counts as context.Canceled.
type interrupted struct{ signal os.Signal }

func (e *interrupted) Error() string { return "interrupted" }

func (e *interrupted) Is(target error) bool { return target == context.Canceled }

// code is what shells expect of a program that a signal ended.
func (e *interrupted) code() int {
	if s, ok := e.signal.(syscall.Signal); ok {
		return 128 + int(s)
	}
	return exitInterrupted
}

// interruptible returns a context that the first signal cancels. The second ends the
// process at once, whatever it is doing: it is left to the system, since whatever this
// program did itself could wait, for a page, a lock or a reader of its output.
func interruptible() context.Context {
	ignoreBrokenPipes()
	ctx, cancel := context.WithCancelCause(context.Background())
	ending := endingSignals()
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, ending...)
	go func() {
		first := &interrupted{<-signals}
		start.LeaveToSystem(ending...)
		cancel(first)
		between := &interrupted{<-signals} // the second, where it was faster than that
		os.Exit(between.code())
	}()
	return ctx
}
