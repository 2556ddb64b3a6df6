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
	// than there is; errors.As to *memory.Error tells which limit refused.
	ErrInsufficientMemory = memory.ErrInsufficientMemory
	// ErrBadModel is returned for files that are no valid model; errors.As to
	// *gguf.FormatError tells what is wrong where.
	ErrBadModel = gguf.ErrFormat
	// ErrUnsupportedArchitecture is returned for valid files of an architecture that
	// the engine does not know.
	ErrUnsupportedArchitecture = check.ErrUnsupportedArchitecture
	// ErrContextFull is returned when a text does not fit into the session's
	// context; errors.As to *ContextError has the numbers.
	ErrContextFull = errors.New("context full")
	// ErrClosed is returned when a closed model or session is used.
	ErrClosed = errors.New("closed")
	// ErrBusy is returned by a call on a session that is doing something else.
	ErrBusy = errors.New("session is busy with another call")
	// ErrOption is returned for option values that make no sense.
	ErrOption = errors.New("invalid option")
	// ErrPackedElsewhere is returned for a packed file whose layout is not the one that
	// this engine chooses on this CPU: it is never computed with. errors.As to *PackedError
	// tells what to do.
	ErrPackedElsewhere = errors.New("packed for another engine or CPU")
	// ErrNothingToPack is returned by [Pack] for models that would gain nothing.
	ErrNothingToPack = errors.New("nothing to pack")
	// ErrTask is returned when a model is asked for what it is not made for; errors.As to
	// *TaskError tells what it is made for.
	ErrTask = errors.New("not what the model is made for")
	// ErrTooMuch is returned by [Session.Generate] for a grammar that takes too much work
	// for one token: a text that can be read in thousands of ways, or nests as deep.
	ErrTooMuch = llama.ErrTooMuch
	// ErrNoEngine is returned in programs built without cgo.
	ErrNoEngine = llama.ErrNoEngine
)

// PackedError is the error of a packed file whose layout is not this engine's on this CPU. It
// wraps [ErrPackedElsewhere].
type PackedError struct {
	Reason string // what is different
	Source string // the file that it was made of
	Again  bool   // the source can be packed for this engine and CPU; otherwise open the source
}

// Error says what is different and what to do.
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
	Tokens  int // that the text needs
	Context int // that the session has
	// Most is how many positions the model has, beyond which there is no context; 0
	// where it does not say.
	Most int
}

func (e *ContextError) Error() string {
	if e.Most > 0 && e.Context >= e.Most {
		return fmt.Sprintf("prompt of %d tokens does not fit into the %d positions that the model has: use a shorter prompt", e.Tokens, e.Most)
	}
	return fmt.Sprintf("prompt of %d tokens does not fit into the context of %d: use a larger context or a shorter prompt", e.Tokens, e.Context)
}

// Is makes the error an ErrContextFull.
func (e *ContextError) Is(target error) bool { return target == ErrContextFull }

// ShiftError is the error of a full context that cannot be shifted.
type ShiftError struct {
	Architecture string
	Context      int    // tokens that the session has
	Most         int    // as in [ContextError]
	Reason       string // what the model's memory cannot do
}

func (e *ShiftError) Error() string {
	remedy := "use a larger context"
	if e.Most > 0 && e.Context >= e.Most {
		remedy = "begin a new text"
	}
	return fmt.Sprintf("context full: %d tokens, and a context of %s cannot be shifted, %s: %s", e.Context, e.Architecture, e.Reason, remedy)
}

// Is makes the error an ErrContextFull.
func (e *ShiftError) Is(target error) bool { return target == ErrContextFull }

// PositionsError is the error of a context that is larger than a model's table of
// positions.
type PositionsError struct {
	Context   int // asked for
	Positions int // that the model has
}

func (e *PositionsError) Error() string {
	return fmt.Sprintf("%v: context of %d tokens: the model has a table of %d positions: use %d or less", ErrOption, e.Context, e.Positions, e.Positions)
}

// Is makes the error an ErrOption.
func (e *PositionsError) Is(target error) bool { return target == ErrOption }

// TaskError is the error of a model that is asked for what it is not made for.
type TaskError struct {
	Architecture string
	Task         Task // what the model is made for
	Asked        Task
}

func (e *TaskError) Error() string {
	is := map[Task]string{
		TaskText:       "a model for text",
		TaskEmbeddings: "an encoder for embeddings",
		TaskRerank:     "a reranker, which tells how well documents answer a query",
		TaskDiffusion:  "a diffusion model, which fills in a whole text in steps that this program does not make",
		TaskAudio:      "a decoder of audio codes, for which there is nothing here",
	}[e.Task]
	cannot := map[Task]string{
		TaskText:       "it generates no text token by token",
		TaskEmbeddings: "it makes no embeddings",
		TaskRerank:     "it has no classifier that ranks documents",
	}[e.Asked]
	return fmt.Sprintf("the model (%s) is %s: %s", e.Architecture, is, cannot)
}

// Is makes the error an ErrTask.
func (e *TaskError) Is(target error) bool { return target == ErrTask }

// LoadError is the error of [Open]: what was tried on which model, and why it failed.
type LoadError struct {
	Path  string
	Tried []*LoadError // of the load modes tried before the one that failed, without paths
	Mode  LoadMode     // the mode that failed; LoadAuto where none was chosen yet
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

// engineError makes the engine's words for closed and for memory this package's.
func engineError(err error) error {
	if errors.Is(err, llama.ErrNoMemory) && !errors.Is(err, ErrInsufficientMemory) {
		return fmt.Errorf("%w: %w", ErrInsufficientMemory, err)
	}
	return closed(err)
}

// asOption makes the engine's word for what makes no sense this package's.
func asOption(err error) error {
	if errors.Is(err, llama.ErrArgument) && !errors.Is(err, ErrOption) {
		return fmt.Errorf("%w: %w", ErrOption, err)
	}
	return closed(err)
}

// optionError names an option that makes no sense.
func optionError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrOption, fmt.Sprintf(format, args...))
}
