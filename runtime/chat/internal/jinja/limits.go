package jinja

import (
	"errors"
	"fmt"
	"time"
)

// Errors of templates. Each is wrapped in an [*Error].
var (
	// ErrSyntax is returned by [Parse] for a template that is not valid.
	ErrSyntax = errors.New("invalid template")
	// ErrLimit is returned when a template or its rendering exceeds [Limits].
	ErrLimit = errors.New("template exceeds a limit")
	// ErrRaised is returned when a template calls raise_exception.
	ErrRaised = errors.New("the template refuses the conversation")
)

// Error is an error at a line of a template.
type Error struct {
	Line   int // from 1
	Reason string
	Kind   error // ErrSyntax, ErrLimit, ErrRaised or nil
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Reason) }

func (e *Error) Unwrap() error { return e.Kind }

// Limits bound a rendering. A zero field is the default.
type Limits struct {
	Steps  int // operations; default 20 million
	Bytes  int // of all texts that are made on the way; default 128 MiB
	Output int // bytes; default 16 MiB
	Depth  int // of nested evaluations; default 4000
	// Now is the time of strftime_now.
	Now time.Time
}

const (
	maxSource  = 1 << 20 // bytes of a template
	maxNesting = 150     // of tags and of expressions in a template
	maxRange   = 100000  // elements of range, as in Jinja2's sandbox
	maxDigits  = 4096    // bits of an integer
)

func (l Limits) withDefaults() Limits {
	set := func(p *int, n int) {
		if *p <= 0 {
			*p = n
		}
	}
	set(&l.Steps, 20_000_000)
	set(&l.Bytes, 128<<20)
	set(&l.Output, 16<<20)
	set(&l.Depth, 4000)
	return l
}

// limitError returns the error of a limit; the line is added on the way up.
func limitError(format string, args ...any) error {
	return &raised{kind: ErrLimit, text: fmt.Sprintf(format, args...)}
}

// raised is an error whose line is not known yet.
type raised struct {
	kind error
	text string
}

func (r *raised) Error() string { return r.text }

// failf returns an error of an operation.
func failf(format string, args ...any) error { return &raised{text: fmt.Sprintf(format, args...)} }

// at adds a line to an error that has none.
func at(line int, err error) error {
	var r *raised
	if line > 0 && errors.As(err, &r) {
		return &Error{Line: line, Reason: r.text, Kind: r.kind}
	}
	return err
}

// step counts n operations.
func (ev *eval) step(n int) error {
	ev.steps += n
	if ev.steps > ev.limits.Steps || n < 0 {
		return limitError("the template takes more than %d steps", ev.limits.Steps)
	}
	return nil
}

// bytes counts n bytes of a text that is about to be made.
func (ev *eval) bytes(n int) error {
	if n < 0 || n > ev.limits.Bytes-ev.made {
		return limitError("the template makes more than %d bytes of text", ev.limits.Bytes)
	}
	ev.made += n
	return ev.step(n >> 10)
}
