package runtime

import (
	"errors"
	"fmt"
	"strings"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/gguf/check"
	"github.com/seed7adf6694/infer/loader/memory"
)

var (
	// ErrInsufficientMemory is returned when a model or session needs more memory
	// than is available; errors.As to *memory.Error gives the limit and the figures.
	ErrInsufficientMemory = memory.ErrInsufficientMemory
	// ErrBadModel is returned for files that are not a valid model; errors.As to
	// *gguf.FormatError gives the field, its offset and the reason.
	ErrBadModel = gguf.ErrFormat
	// ErrUnsupportedArchitecture is returned for valid files of an architecture that
	// the engine does not know; errors.As to *check.EngineError says which engine does.
	ErrUnsupportedArchitecture = check.ErrUnsupportedArchitecture
	// ErrUnsupportedType is like ErrUnsupportedArchitecture, for types of tensors.
	ErrUnsupportedType = check.ErrUnsupportedType
	// ErrUnsupportedTokenizer is like ErrUnsupportedArchitecture, for tokenizers.
	ErrUnsupportedTokenizer = check.ErrUnsupportedTokenizer
	// ErrContextFull is returned when a text does not fit into the session's
	// context; errors.As to *ContextError gives the numbers.
	ErrContextFull = errors.New("context full")
	// ErrClosed is returned when a closed model or session is used.
	ErrClosed = errors.New("closed")
	// ErrBusy is returned by a call on a session while another call runs.
	ErrBusy = errors.New("session is busy with another call")
	// ErrOption is returned for invalid option values; errors.As to *OptionError gives the
	// option.
	ErrOption = errors.New("invalid option")
	// ErrPackedElsewhere is returned for a packed file whose layout is not the one that
	// this engine uses on this CPU. errors.As to *PackedError says what to do.
	ErrPackedElsewhere = errors.New("packed for another engine or CPU")
	// ErrNothingToPack is returned by [Pack] for models of which no tensor is repacked.
	ErrNothingToPack = errors.New("nothing to pack")
	// ErrTask is returned when a model cannot do a task; errors.As to *TaskError gives the
	// task that it is made for.
	ErrTask = errors.New("not what the model is made for")
	// ErrTooMuch is returned by [Session.Generate] for a grammar that takes too much work
	// for one token: the text has thousands of possible parses, or nests thousands deep.
	ErrTooMuch = llama.ErrTooMuch
	// ErrNoChoice is returned by generations whose options leave no token to choose: a grammar, biases or
	// penalties exclude all, or make a logit infinite.
	ErrNoChoice = llama.ErrNoChoice
	// ErrNoEngine is returned in programs built without cgo.
	ErrNoEngine = llama.ErrNoEngine
)

// OptionError is the error of an invalid option. It wraps [ErrOption].
type OptionError struct {
	// Option is the option in words, such as "context" or "load mode"; "" if the reason names
	// it, as where a call does not suit the options of its session.
	Option string
	Value  string // as it was given; "" if the reason has it
	Reason string // what is wrong, and what to use instead; "" if there is an Err
	Err    error  // the error of package llama; may be nil
}

func (e *OptionError) Error() string {
	s := ErrOption.Error() + ": "
	switch {
	case e.Err != nil:
		return s + e.Err.Error()
	case e.Value != "":
		s += e.Option + " " + e.Value + " "
	}
	return s + e.Reason
}

// Unwrap returns ErrOption and Err.
func (e *OptionError) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrOption}
	}
	return []error{ErrOption, e.Err}
}

// PackedError is the error of a packed file whose layout this engine does not use on this
// CPU. It wraps [ErrPackedElsewhere].
type PackedError struct {
	Reason string // what differs
	Source string // the file that it was packed from
	Again  bool   // pack the source again; false: open the source instead
}

// Error says what differs and what to do.
func (e *PackedError) Error() string {
	todo := "open " + e.Source
	if e.Again {
		todo = "pack " + e.Source + " again"
	}
	return fmt.Sprintf("%v: %s: %s", ErrPackedElsewhere, e.Reason, todo)
}

// Unwrap returns ErrPackedElsewhere.
func (e *PackedError) Unwrap() error { return ErrPackedElsewhere }

// ContextError is the error of a text that does not fit.
type ContextError struct {
	Tokens  int // tokens that the text needs
	Context int // the session's context, in tokens
	// Most is the size of the model's table of positions, the largest possible context; 0
	// if it has none.
	Most int
}

func (e *ContextError) Error() string {
	if e.Most > 0 && e.Context >= e.Most {
		return fmt.Sprintf("prompt of %d tokens does not fit into the model's %d positions: use a shorter prompt", e.Tokens, e.Most)
	}
	return fmt.Sprintf("prompt of %d tokens does not fit into the context of %d: use a larger context or a shorter prompt", e.Tokens, e.Context)
}

// Is makes the error an ErrContextFull.
func (e *ContextError) Is(target error) bool { return target == ErrContextFull }

// ShiftError is the error of a full context that cannot be shifted.
type ShiftError struct {
	Architecture string
	Context      int    // the session's context, in tokens
	Most         int    // as in [ContextError]
	Reason       string // why not, as "its state cannot forget a part of a text"
}

func (e *ShiftError) Error() string {
	remedy := "use a larger context"
	if e.Most > 0 && e.Context >= e.Most {
		remedy = "start a new text"
	}
	return fmt.Sprintf("context of %d tokens is full, and can't be shifted for %s: %s: %s", e.Context, e.Architecture, e.Reason, remedy)
}

// Is makes the error an ErrContextFull.
func (e *ShiftError) Is(target error) bool { return target == ErrContextFull }

// PositionsError is the error of a context that is larger than a model's table of
// positions.
type PositionsError struct {
	Context   int // requested, in tokens
	Positions int // of the model
}

func (e *PositionsError) Error() string {
	return fmt.Sprintf("%v: context of %d tokens exceeds the model's table of %d positions: use at most %d", ErrOption, e.Context, e.Positions, e.Positions)
}

// Is makes the error an ErrOption.
func (e *PositionsError) Is(target error) bool { return target == ErrOption }

// TaskError is the error of a call for a task that the model is not made for.
type TaskError struct {
	Architecture string
	Task         Task // the model's task
	Asked        Task // the task of the call
}

func (e *TaskError) Error() string {
	is := map[Task]string{
		TaskText:       "a text model",
		TaskEmbeddings: "an encoder for embeddings",
		TaskRerank:     "a reranker, which scores documents for a query",
		TaskDiffusion:  "a diffusion model, which is not supported",
		TaskAudio:      "a part of a model for audio, which is not supported",
	}[e.Task]
	cannot := map[Task]string{
		TaskText:       "it can't generate text token by token",
		TaskEmbeddings: "it can't make embeddings",
		TaskRerank:     "it has no classifier to rank documents with",
	}[e.Asked]
	return fmt.Sprintf("the model (%s) is %s: %s", e.Architecture, is, cannot)
}

// Is makes the error an ErrTask.
func (e *TaskError) Is(target error) bool { return target == ErrTask }

// LoadError is the error of [Open]: the model, the load mode and the reason.
type LoadError struct {
	Path  string
	Tried []*LoadError // errors of load modes tried before Mode, without paths
	Mode  LoadMode     // the mode that failed; LoadAuto if none was chosen yet
	Err   error
}

func (e *LoadError) Error() string {
	reason := e.Err.Error()
	s := ""
	if e.Path != "" && !strings.Contains(reason, e.Path) { // errors about a file name it
		s = e.Path + ": "
	}
	if e.Mode != LoadAuto {
		s += e.Mode.String() + ": "
	}
	s += reason
	for _, t := range e.Tried {
		s += "; before that " + t.Error()
	}
	return s
}

func (e *LoadError) Unwrap() error { return e.Err }

// engineError translates the engine's sentinels for a closed model and for refused memory
// into this package's.
func engineError(err error) error {
	if errors.Is(err, llama.ErrNoMemory) && !errors.Is(err, ErrInsufficientMemory) {
		return fmt.Errorf("%w: %w", ErrInsufficientMemory, err)
	}
	return closed(err)
}

// asOption translates the engine's sentinel for invalid arguments into ErrOption.
func asOption(err error) error {
	if errors.Is(err, llama.ErrArgument) && !errors.Is(err, ErrOption) {
		e := &OptionError{Err: err}
		var argument *llama.ArgumentError
		if errors.As(err, &argument) {
			e.Option, e.Value = argument.Name, argument.Value
		}
		return e
	}
	return closed(err)
}

// optionError returns an OptionError whose text is the option, its value and the reason. With an
// empty value it is the reason alone, which then names the option.
func optionError(option, value, reason string, args ...any) error {
	return &OptionError{Option: option, Value: value, Reason: fmt.Sprintf(reason, args...)}
}
