package check

import (
	"errors"
	"fmt"
	"strings"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader/gguf"
)

var (
	// ErrUnsupportedArchitecture is wrapped, together with [gguf.ErrFormat], if a file is valid but
	// the engine does not know its general.architecture.
	ErrUnsupportedArchitecture = errors.New("unsupported architecture")
	// ErrUnsupportedType is wrapped, together with [gguf.ErrFormat], if a file is valid but the
	// engine does not know the type of one of its tensors.
	ErrUnsupportedType = errors.New("unsupported tensor type")
	// ErrUnsupportedTokenizer is wrapped, together with [gguf.ErrFormat], if a file is valid but the
	// engine does not know its tokenizer.
	ErrUnsupportedTokenizer = errors.New("unsupported tokenizer")
	// ErrEngine is wrapped if there are no rules for an engine.
	ErrEngine = errors.New("no rules for this engine")
)

// An Engine is a version of llama.cpp, by whose rules models are checked.
type Engine uint8

const (
	EngineBuiltin Engine = iota // compiled in: llama.cpp of December 2025
	EngineV0_5                  // llama.cpp v0.5.x, loaded as libraries

	engineCount
)

// engineNames are the names of the engines' binary interfaces, and what they are in messages.
var engineNames = [engineCount]struct{ abi, text string }{
	EngineBuiltin: {"builtin", "the compiled-in engine"},
	EngineV0_5:    {"v0.5", "llama.cpp v0.5.x"},
}

// String returns the name of the engine's binary interface, such as "v0.5".
func (e Engine) String() string {
	if e >= engineCount {
		return fmt.Sprintf("engine %d", uint8(e))
	}
	return engineNames[e].abi
}

// ParseEngine returns the engine whose binary interface has a name: the reverse of [Engine.String].
func ParseEngine(abi string) (Engine, error) {
	for e := range engineCount {
		if engineNames[e].abi == abi {
			return e, nil
		}
	}
	return 0, fmt.Errorf("%w: %s", ErrEngine, words.Literal(abi))
}

// text returns what the engine is in a message.
func (e Engine) text() string {
	if e >= engineCount {
		return e.String()
	}
	return engineNames[e].text
}

// An EngineError is the cause, in a [*gguf.FormatError], of the refusal of a valid file that has
// something that the engine does not know. Other engines may.
type EngineError struct {
	Name   string   // the architecture, type or tokenizer, such as "gemma4"
	Engine Engine   // the engine that does not know it
	Known  []Engine // those that do; empty: none
	Err    error    // ErrUnsupportedArchitecture, ErrUnsupportedType or ErrUnsupportedTokenizer
}

// Error says what is unsupported. The [*gguf.FormatError] names it.
func (e *EngineError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *EngineError) Unwrap() error { return e.Err }

// unknown completes the error of something that an engine does not know: name, which the engines
// for which knows returns true do.
func (e Engine) unknown(format *gguf.FormatError, kind error, name string, knows func(Engine) bool) error {
	refused := &EngineError{Name: name, Engine: e, Err: kind}
	var others []string
	for other := range engineCount {
		if other != e && knows(other) {
			refused.Known = append(refused.Known, other)
			others = append(others, other.text())
		}
	}
	what := strings.TrimPrefix(kind.Error(), "unsupported ")
	format.Reason = fmt.Sprintf("%s does not know this %s", e.text(), what)
	if len(others) > 0 {
		format.Reason += ", " + words.Enumerate(others) + " does"
	} else {
		format.Reason += "; a newer one may"
	}
	format.Err = refused
	return format
}
