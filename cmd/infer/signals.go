package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
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

// interruptible returns a context that the first signal cancels; the second ends the
// process at once, whatever it is doing.
func interruptible() context.Context {
	ignoreBrokenPipes()
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, endingSignals()...)
	go func() {
		first := &interrupted{<-signals}
		cancel(first)
		second := &interrupted{<-signals}
		// A progress bar or half a line may stand there.
		os.Stderr.WriteString("\n")
		os.Exit(second.code())
	}()
	return ctx
}
