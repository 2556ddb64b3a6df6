package engine

import (
	"errors"
	"fmt"
	"time"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/llama"
)

var (
	// ErrRefused is wrapped by an [*Error]: the engine failed its trial.
	ErrRefused = errors.New("engine refused")
	// ErrUntried is wrapped by an [*Error]: the engine has no verdict, and there is no program to try it.
	ErrUntried = errors.New("engine not tried on this machine")
)

// Failure is how an engine failed.
type Failure string

// The ways to fail.
const (
	Crash     Failure = "crash"   // it ended the child process: by a signal, an exception, an exit
	Hang      Failure = "hang"    // it did not end in time
	WrongText Failure = "text"    // it computed another text than is known
	Version   Failure = "version" // its version is not supported, a function is missing, or a layout differs
	Failed    Failure = "error"   // any other error
	Untried   Failure = "untried" // there is no verdict
)

// Error is the error of an engine that was found and can't be used. It wraps [ErrRefused] or
// [ErrUntried], and for another version llama.ErrEngineVersion.
type Error struct {
	Folder  string
	Failure Failure
	Reason  string    // what happened
	Checked time.Time // of the stored verdict that says so; zero: it was tried now
}

func (e *Error) Error() string {
	if e.Failure == Untried {
		return fmt.Sprintf("%v: %s: %s", ErrUntried, words.QuotePath(e.Folder), e.Reason)
	}
	s := fmt.Sprintf("%v: %s: %s", ErrRefused, words.QuotePath(e.Folder), e.Reason)
	if !e.Checked.IsZero() {
		s += " (tried on " + e.Checked.UTC().Format(time.DateOnly) + ")"
	}
	return s
}

// Unwrap returns the kinds of the error.
func (e *Error) Unwrap() []error {
	switch e.Failure {
	case Untried:
		return []error{ErrUntried}
	case Version:
		return []error{ErrRefused, llama.ErrEngineVersion}
	}
	return []error{ErrRefused}
}
