// Command infer generates text with GGUF models on machines short of memory. It also inspects,
// tokenizes for, quantises, packs and synthesizes such models.
//
// Standard output has results only. Progress, figures and errors go to standard error; an error is
// one line. It exits with 0 for success, 1 for a failure, 2 for wrong usage, 3 if memory or another
// limit of the system is exceeded, and 128 plus the signal's number (130 for Ctrl-C) when
// interrupted. Run infer --help for the rest.
//
// Input text is UTF-8, unless a byte order mark says otherwise. On Windows closing the console
// counts as SIGTERM.
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

// interrupted is the cause of a context that a signal cancelled. errors.Is reports it as
// context.Canceled.
type interrupted struct{ signal os.Signal }

func (e *interrupted) Error() string { return "interrupted" }

func (e *interrupted) Is(target error) bool { return target == context.Canceled }

// code returns the exit code that shells expect after a signal.
func (e *interrupted) code() int {
	if s, ok := e.signal.(syscall.Signal); ok {
		return 128 + int(s)
	}
	return exitInterrupted
}

// interruptible returns a context that the first signal cancels. The second signal gets the
// system's default action, which ends the process at once: a handler in this program could block on
// a page, a lock or a reader of its output.
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
