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
	"sync/atomic"
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

// answering cancels the answer that is generated in a chat.
var answering atomic.Pointer[context.CancelFunc]

// chatting is told of Ctrl-C while a chat generates no answer and edits no line; it returns whether the
// program goes on. nil: there is no chat.
var chatting atomic.Pointer[func() bool]

// untilInterrupt runs f with a context that Ctrl-C cancels, once, without ending the program.
func untilInterrupt(ctx context.Context, f func(context.Context)) {
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	answering.Store(&cancel)
	defer answering.Store(nil)
	f(inner)
}

// stopAnswer reports whether a signal was for a chat, which goes on.
func stopAnswer(signal os.Signal) bool {
	if signal != os.Interrupt {
		return false
	}
	cancel := answering.Swap(nil)
	if cancel != nil {
		(*cancel)()
		return true
	}
	f := chatting.Load()
	return f != nil && (*f)()
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
		for stopAnswer(first.signal) {
			first = &interrupted{<-signals}
		}
		start.LeaveToSystem(ending...)
		cancel(first)
		between := &interrupted{<-signals} // the second, where it was faster than that
		os.Exit(between.code())
	}()
	return ctx
}
