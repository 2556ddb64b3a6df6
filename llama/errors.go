package llama

import (
	"errors"
	"fmt"
	"strings"

	"github.com/seed7adf6694/infer/llama/internal/gbnf"
)

var (
	// ErrNoEngine is returned by all functions that need the engine in a program built without cgo.
	ErrNoEngine = errors.New("llama: built without the engine (CGO_ENABLED=0): rebuild with cgo and a C++ compiler")
	// ErrClosed is returned by methods of a closed object.
	ErrClosed = errors.New("llama: closed")
	// ErrUnbound is returned if a model is used before all its weights are bound.
	ErrUnbound = errors.New("llama: weights not bound")
	// ErrNoSlot is returned by Decode if the context has no room for the batch. The context is
	// unchanged.
	ErrNoSlot = errors.New("llama: no room left in the context")
	// ErrNoMemory is returned if an allocation of the engine failed. If memory comes from [Blocks],
	// the error of the refused block is wrapped too.
	ErrNoMemory = errors.New("llama: out of memory")
	// ErrArgument is returned for invalid arguments, for which the engine would end the process or
	// access memory out of bounds. errors.As to [*ArgumentError] or [*GrammarError] gives the
	// details.
	ErrArgument = errors.New("llama: invalid argument")
	// ErrTooMuch is returned if a grammar exceeds the bounds on work or memory for one token.
	ErrTooMuch = errors.New("llama: too much work for one token")
	// ErrNoChoice is returned if a sampler's parameters leave no token to choose: all are excluded, as by a
	// grammar with characters that no token has, or a logit is infinite.
	ErrNoChoice = errors.New("llama: no token to choose")
	// ErrBroken is returned if an assertion inside the engine failed. The objects of the failed
	// call must not be used any more; closing them is safe.
	ErrBroken = errors.New("llama: internal check of the engine failed")
	// ErrEngineInUse is returned if another engine is asked for than the one that this process uses
	// already.
	ErrEngineInUse = errors.New("llama: an engine is in use already")
	// ErrEngineVersion is returned if the program is linked with another version of the engine than
	// this package was checked against, and for libraries of another engine.
	ErrEngineVersion = errors.New("llama: engine version not supported")
)

// Error is an error of the engine, with the reason from its log.
type Error struct {
	Call   string // name of the function of llama.cpp
	Reason string // text that it logged or threw, on one line; may be empty
	Kind   error  // ErrNoMemory, ErrBroken, ErrTooMuch, ErrNoChoice, or nil
	Err    error  // error of a refused block, or nil
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

// DeviceError is the error of memory that a device, or a [DeviceBlocks], has refused. It wraps
// [ErrNoMemory], and the reason of the latter.
type DeviceError struct {
	Device string
	Size   uint64 // bytes of one buffer
	Err    error  // of the DeviceBlocks; nil: the device has refused it
}

func (e *DeviceError) Error() string {
	if e.Err != nil {
		return e.Err.Error()
	}
	return fmt.Sprintf("device %s refused a buffer of %d bytes", e.Device, e.Size)
}

// Unwrap returns ErrNoMemory and Err.
func (e *DeviceError) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrNoMemory}
	}
	return []error{ErrNoMemory, e.Err}
}

// Unwrap returns the kind and the cause, for errors.Is and errors.As.
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

// ArgumentError is the error of an invalid argument or field of parameters. It wraps [ErrArgument].
type ArgumentError struct {
	Name   string // the argument or field in words, such as "flash attention"; "" if the reason names it
	Value  string // as it was given; "" if the reason has it
	Reason string // what is wrong, and what is possible
}

func (e *ArgumentError) Error() string {
	s := ErrArgument.Error() + ": "
	if e.Value != "" {
		s += e.Name + " " + e.Value + " "
	}
	return s + e.Reason
}

// Unwrap returns ErrArgument.
func (e *ArgumentError) Unwrap() error { return ErrArgument }

// invalid returns an ArgumentError whose text is the name, the value and the reason.
func invalid(name string, value any, reason string, args ...any) error {
	return &ArgumentError{name, fmt.Sprint(value), fmt.Sprintf(reason, args...)}
}

// argument returns an ArgumentError without a name.
func argument(format string, args ...any) error {
	return &ArgumentError{Reason: fmt.Sprintf(format, args...)}
}

// GrammarProblem is what is wrong with a grammar.
type GrammarProblem string

// The problems of grammars.
const (
	GrammarSyntax    GrammarProblem = "syntax"         // the text is not GBNF
	GrammarMissing   GrammarProblem = "missing rule"   // a rule is not defined
	GrammarRecursion GrammarProblem = "left recursion" // a rule can reach itself without consuming a character
	GrammarLimit     GrammarProblem = "limit"          // the grammar is too large or takes too much work
)

// GrammarError is the error of an invalid grammar. It wraps [ErrArgument].
type GrammarError struct {
	Problem      GrammarProblem
	Line, Column int    // where it was noticed, from 1 on, in characters; 0: a rule or the whole text
	Rule         string // the rule that is missing or can't be used; "" if it is none
	Limit        int    // the bound that is exceeded; 0: none
	Reason       string
}

func (e *GrammarError) Error() string {
	s := ErrArgument.Error() + ": grammar"
	if e.Line > 0 {
		s += fmt.Sprintf(", line %d", e.Line)
	}
	return s + ": " + e.Reason
}

// Unwrap returns ErrArgument.
func (e *GrammarError) Unwrap() error { return ErrArgument }

// parseGrammar parses a grammar. Errors are a GrammarError.
func parseGrammar(text, root string) (*gbnf.Grammar, error) {
	g, err := gbnf.Parse(text, root)
	if e := (*gbnf.Error)(nil); errors.As(err, &e) {
		return nil, &GrammarError{GrammarProblem(e.Problem), e.Line, e.Column, e.Rule, e.Limit, e.Reason}
	}
	return g, err
}

// oneLine shortens the engine's log to one line: the first lines have the reason, the following
// ones only report that the callers failed too.
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
