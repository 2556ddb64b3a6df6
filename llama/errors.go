package llama

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrNoEngine is returned by everything that needs the engine in a program
	// built without cgo.
	ErrNoEngine = errors.New("llama: built without the engine (CGO_ENABLED=0): rebuild with cgo and a C++ compiler")
	// ErrClosed is returned when something closed is used.
	ErrClosed = errors.New("llama: closed")
	// ErrUnbound is returned when a model is used whose weights are not all bound.
	ErrUnbound = errors.New("llama: weights not bound")
	// ErrNoSlot is returned by Decode when the context has no room left for a batch.
	// The context is as it was before the call.
	ErrNoSlot = errors.New("llama: no room left in the context")
	// ErrNoMemory is returned when the engine could not allocate. When memory comes
	// from [Blocks], the error of the refused block is wrapped as well.
	ErrNoMemory = errors.New("llama: out of memory")
	// ErrArgument is returned for arguments that the engine would not survive.
	ErrArgument = errors.New("llama: invalid argument")
	// ErrTooMuch is returned where a grammar would take more work, or memory, for one
	// token than it may.
	ErrTooMuch = errors.New("llama: too much work for one token")
	// ErrBroken is returned when a check inside the engine failed. What the failed
	// call worked on must not be used any more; closing it is safe.
	ErrBroken = errors.New("llama: internal check of the engine failed")
	// ErrEngineVersion is returned when the program was linked with another version
	// of the engine than this package was checked against.
	ErrEngineVersion = errors.New("llama: engine version not supported")
)

// Error is what the engine said about a call that failed.
type Error struct {
	Call   string // the function of llama.cpp
	Reason string // what it logged or threw, on one line; may be empty
	Kind   error  // ErrNoMemory, ErrBroken, ErrTooMuch, or nil
	Err    error  // the error of a refused block, or nil
}

func (e *Error) Error() string {
	s := "llama: " + e.Call + " failed"
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap makes errors.Is and errors.As see the kind and the cause.
func (e *Error) Unwrap() []error {
	var errs []error
	if e.Kind != nil {
		errs = append(errs, e.Kind)
	}
	if e.Err != nil {
		errs = append(errs, e.Err)
	}
	return errs
}

// argument makes an error of ErrArgument.
func argument(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrArgument, fmt.Sprintf(format, args...))
}

// oneLine turns the engine's log into one line: the first lines name the reason,
// what follows only repeats that the caller failed too.
func oneLine(log string) string {
	var parts []string
	for line := range strings.Lines(log) {
		line = strings.TrimSpace(line)
		// "function_name: text" → "text"
		if name, text, ok := strings.Cut(line, ": "); ok && !strings.ContainsAny(name, " '\"") {
			line = text
		}
		if line == "" || len(parts) > 0 && parts[len(parts)-1] == line {
			continue
		}
		if parts = append(parts, line); len(parts) == 3 {
			break
		}
	}
	return strings.Join(parts, "; ")
}
