package main

import (
	"context"
	"errors"
	"io"
	"io/fs"

	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/llama/engines"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/models"
	"github.com/seed7adf6694/infer/runtime"
	"github.com/seed7adf6694/infer/runtime/chat"
	"github.com/seed7adf6694/infer/runtime/engine"
)

// jsonError is an error with --json: one object, {"error": …}, on the last line of standard error.
// Standard output keeps the results written before.
type jsonError struct {
	Kind     string `json:"kind"`    // see kindOf
	Message  string `json:"message"` // the error as text
	ExitCode int    `json:"exit_code"`

	Help    string        `json:"help,omitempty"` // wrong usage: the command whose help explains it
	Memory  *jsonMemory   `json:"memory,omitempty"`
	File    *jsonFile     `json:"file,omitempty"`
	Model   *jsonModel    `json:"model,omitempty"`
	Context *jsonContext  `json:"context,omitempty"`
	Tried   []jsonAttempt `json:"tried,omitempty"` // set where there were fallbacks
}

// jsonMemory has the figures of an allocation that was refused.
type jsonMemory struct {
	Purpose   string       `json:"purpose"`
	Parts     memory.Parts `json:"parts,omitempty"` // the parts of a sum
	Requested uint64       `json:"requested_bytes"`
	Available uint64       `json:"available_bytes"`
	Limit     string       `json:"limit"` // "" if unknown
	Remedies  []string     `json:"remedies"`
}

// jsonFile says what is wrong with a model's file.
type jsonFile struct {
	Path   string `json:"path"`
	Offset int64  `json:"offset"` // -1 if the field has no offset
	Field  string `json:"field"`
	Value  string `json:"value"`
	Reason string `json:"reason"`
}

// jsonModel is a name that matches no model or several.
type jsonModel struct {
	Name        string   `json:"name"`
	Suggestions []string `json:"suggestions"`
	Candidates  []string `json:"candidates"`
}

// jsonContext is a text that does not fit into the context.
type jsonContext struct {
	Tokens  int `json:"tokens"`
	Context int `json:"context"`
}

// jsonAttempt is a model that was tried.
type jsonAttempt struct {
	Path    string      `json:"path"`
	Mode    string      `json:"mode"`
	Message string      `json:"message"`
	Memory  *jsonMemory `json:"memory,omitempty"`
}

// errorKinds are the kinds of errors. The first that applies counts.
var errorKinds = []struct {
	kind string
	is   func(error) bool
}{
	{"usage", func(err error) bool { return errors.As(err, new(*usageError)) }},
	{"option", isError(runtime.ErrOption)},
	{"memory", isError(runtime.ErrInsufficientMemory)},
	{"limit", func(err error) bool { return errors.As(err, new(*limitError)) }},
	{"output", func(err error) bool { return errors.As(err, new(*outputError)) }},
	{"interrupted", isError(context.Canceled)},
	{"pull", func(err error) bool { return errors.As(err, new(*pullError)) }},
	{"ambiguous_model", isError(models.ErrAmbiguous)},
	{"model_not_found", func(err error) bool { return errors.As(err, new(*models.NotFoundError)) }},
	{"unsupported_architecture", isError(runtime.ErrUnsupportedArchitecture)},
	{"unsupported_type", isError(runtime.ErrUnsupportedType)},
	{"unsupported_tokenizer", isError(runtime.ErrUnsupportedTokenizer)},
	{"file_changed", isError(loader.ErrFileChanged)},
	{"bad_model", isError(runtime.ErrBadModel)},
	{"packed_elsewhere", isError(runtime.ErrPackedElsewhere)},
	{"nothing_to_pack", isError(runtime.ErrNothingToPack)},
	{"other_task", isError(runtime.ErrTask)},
	{"chat_template", isError(chat.ErrTemplate)},
	{"context_full", isError(runtime.ErrContextFull)},
	{"no_engine", isError(runtime.ErrNoEngine)},
	{"engine", isEngineError},
	{"file", func(err error) bool { return errors.As(err, new(*fs.PathError)) }},
}

func isError(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

// isEngineError reports whether an engine can't be found, added, removed or used.
func isEngineError(err error) bool {
	for _, kind := range []error{engines.ErrNoEngine, engines.ErrUntrusted, engines.ErrArchive, engines.ErrChecksum, engines.ErrDownload, engines.ErrExists, engines.ErrNotFound, engines.ErrChoice, engine.ErrRefused, engine.ErrUntried, llama.ErrEngineVersion, llama.ErrEngineInUse} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// kindOf returns the kind of an error, "failure" if no other applies.
func kindOf(err error) string {
	for _, k := range errorKinds {
		if k.is(err) {
			return k.kind
		}
	}
	return "failure"
}

// reportJSON writes an error as a JSON object.
func reportJSON(w io.Writer, err error, e jsonError) {
	var (
		memory    *memory.Error
		format    *gguf.FormatError
		missing   *models.NotFoundError
		ambiguous *models.AmbiguousError
		context   *runtime.ContextError
		fallback  *runtime.FallbackError
	)
	if errors.As(err, &memory) {
		e.Memory = memoryJSON(memory)
	}
	if errors.As(err, &format) {
		e.File = &jsonFile{format.File, format.Offset, format.Field, format.Value, format.Reason}
	}
	if errors.As(err, &missing) {
		e.Model = &jsonModel{missing.Name, list(missing.Suggestions), []string{}}
	}
	if errors.As(err, &ambiguous) {
		e.Model = &jsonModel{ambiguous.Name, []string{}, list(ambiguous.Candidates)}
	}
	if errors.As(err, &context) {
		e.Context = &jsonContext{context.Tokens, context.Context}
	}
	if errors.As(err, &fallback) {
		for _, r := range fallback.Rungs {
			a := jsonAttempt{Path: r.Path, Mode: r.Mode.String(), Message: withFlags(r.Err)}
			if errors.As(r.Err, &memory) {
				a.Memory = memoryJSON(memory)
			}
			e.Tried = append(e.Tried, a)
		}
	}
	texts.WriteJSON(w, map[string]jsonError{"error": e})
}

func memoryJSON(e *memory.Error) *jsonMemory {
	return &jsonMemory{e.Purpose.String(), e.Parts, e.Requested, e.Available, string(e.Limit), remedyTexts(e.Remedies)}
}
