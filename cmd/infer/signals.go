package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/seed7adf6694/infer/llama/start"
)

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
