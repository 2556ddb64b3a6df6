package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/seed7adf6694/infer/cmd/infer/internal/talk"
	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/llama/start"
	"github.com/seed7adf6694/infer/loader/gguf/check"
	"github.com/seed7adf6694/infer/models"
	"github.com/seed7adf6694/infer/runtime"
	"github.com/seed7adf6694/infer/runtime/chat"
)

// Exit codes other than 0. The README's table and exitCodes explain them.
const (
	exitFailure     = 1
	exitUsage       = 2
	exitMemory      = start.ExitCode // or another limit
	exitInterrupted = 130
)

// exitCodes is what the help says of them.
var exitCodes = []struct{ code, meaning string }{
	{"0", "done, or the reader of the output has closed it"},
	{"1", "failure of a file, a model, the output or the computation"},
	{"2", "wrong usage: a flag, a value, no prompt"},
	{"3", "not enough memory, or another limit of the system that the message names: addresses, stacks, threads, open files"},
	{"128+N", "interrupted by signal N: 130 for Ctrl-C, 143 for SIGTERM, 129 for a hang-up"},
}

// usageError is an error in the command line.
type usageError struct {
	text  string
	help  string // the command whose help explains the usage
	alone bool   // do not refer to the help
}

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error {
	return &usageError{text: fmt.Sprintf(format, args...)}
}

// shown wraps an error that is already part of the output, and is not printed again.
type shown struct{ err error }

func (e shown) Error() string { return e.err.Error() }
func (e shown) Unwrap() error { return e.err }

// outputError is the error of writing the results.
type outputError struct{ err error }

func (e *outputError) Error() string {
	var pe *os.PathError
	if errors.As(e.err, &pe) {
		return "standard output: " + pe.Err.Error()
	}
	return "standard output: " + e.err.Error()
}

func (e *outputError) Unwrap() error { return e.err }

// limitError is an error caused by a limit of the system. It names the limit.
type limitError struct {
	err   error
	limit string
}

func (e *limitError) Error() string { return e.err.Error() + ": " + e.limit }
func (e *limitError) Unwrap() error { return e.err }

// withLimit adds the name of the limit to an error that a limit of the system other than memory has
// caused.
func withLimit(err error) error {
	if limit := limitOf(err); limit != "" {
		return &limitError{err, limit}
	}
	return err
}

// checkedWriter turns errors of a writer into an *outputError and keeps the first.
type checkedWriter struct {
	w   io.Writer
	err error
}

func (c *checkedWriter) Write(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.w.Write(p)
	if err != nil {
		c.err = &outputError{err}
	}
	return n, c.err
}

// report prints an error as one line (two for wrong usage) or as a JSON object (--json), and
// returns the exit code.
func report(ctx context.Context, err error, stderr io.Writer, json bool) int {
	if err == nil {
		return 0
	}
	err = withLimit(err)
	code := exitFailure
	var usage *usageError
	var out *outputError
	var stop *interrupted
	switch {
	case errors.As(err, &out) && isBrokenPipe(out):
		return 0 // the reader has closed the pipe: not a failure
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		code = exitInterrupted
		if errors.As(context.Cause(ctx), &stop) {
			code = stop.code()
		}
		switch {
		case errors.As(err, new(shown)):
		case json:
			reportJSON(stderr, err, jsonError{Kind: "interrupted", Message: "interrupted", ExitCode: code})
		default:
			fmt.Fprintln(stderr, "infer: interrupted")
		}
		return code
	case errors.Is(err, talk.ErrInterrupted):
		return exitInterrupted
	case errors.As(err, &usage), errors.Is(err, runtime.ErrOption):
		code = exitUsage
	case errors.Is(err, runtime.ErrInsufficientMemory), errors.As(err, new(*limitError)):
		code = exitMemory
	}
	help := ""
	if usage != nil && !usage.alone {
		if help = usage.help; help == "" {
			help = "infer --help"
		}
	}
	message := withFlags(err) + advice(err)
	if json {
		reportJSON(stderr, err, jsonError{Kind: kindOf(err), Message: message, ExitCode: code, Help: help})
		return code
	}
	fmt.Fprintln(stderr, "infer: "+texts.OneLine(message))
	if help != "" {
		fmt.Fprintf(stderr, "Run '%s'\n", help)
	}
	return code
}

// advice names the command that helps: to make the packed file again, to find an engine that knows
// the model, or to use the model for its task.
func advice(err error) string {
	var packed *runtime.PackedError
	if errors.As(err, &packed) && packed.Again {
		return " (infer pack -m " + packed.Source + ")"
	}
	var other *check.EngineError
	if errors.As(err, &other) && len(other.Known) > 0 {
		return " ('infer engine list' shows the engines that are here, --engine NAME or DIR uses one)"
	}
	var missing *models.NotFoundError
	if errors.As(err, &missing) {
		if _, ok := models.ParseRepo(missing.Name); ok {
			return " ('infer pull " + missing.Name + "' downloads it)"
		}
	}
	if errors.Is(err, chat.ErrTemplate) && !errors.Is(err, chat.ErrRefused) {
		return " (--chat-template NAME uses another one, --raw none)"
	}
	var e *runtime.TaskError
	if !errors.As(err, &e) || e.Task == e.Asked {
		return ""
	}
	switch e.Task {
	case runtime.TaskText:
		if e.Asked == runtime.TaskRerank {
			return ": use 'infer embed' and compare the vectors"
		}
		return ": use 'infer -p TEXT'"
	case runtime.TaskEmbeddings:
		return ": use 'infer embed'"
	case runtime.TaskRerank:
		return ": use 'infer rerank'"
	}
	return ""
}
