package gguf

import (
	"errors"
	"fmt"
	"strings"

	"github.com/seed7adf6694/infer/internal/words"
)

// ErrFormat is wrapped by every error about what a file holds: it is no GGUF
// file, is damaged, can't be read to the end, or describes a model that the
// engine can't load. The detail is a [*FormatError].
var ErrFormat = errors.New("invalid GGUF")

// A FormatError says what is wrong with a model's file, and where. It wraps
// [ErrFormat] and, where there is one, Err.
type FormatError struct {
	File   string // path of the file, or of the shard
	Offset int64  // byte at which the field begins, -1 if it has no place
	Field  string // what was read, such as `version` or `key "general.alignment"`
	Value  string // what was found there, "" if there is nothing to show
	Reason string // what is wrong with it
	Err    error  // the cause, such as an error of the file system; may be nil
}

// Error returns one line of printable text, however hostile the file is.
func (e *FormatError) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(words.QuotePath(e.File) + ": ")
	}
	if e.Field != "" {
		b.WriteString(words.Printable(e.Field, words.MostShown))
		if e.Offset >= 0 {
			fmt.Fprintf(&b, " at byte %d", e.Offset)
		}
		if e.Value != "" {
			b.WriteString(" is " + words.Printable(e.Value, words.MostShown))
		}
		b.WriteString(": ")
	}
	reason := e.Reason
	if reason == "" && e.Err == nil {
		reason = ErrFormat.Error()
	}
	b.WriteString(words.Printable(reason, words.MostShown))
	if e.Err != nil {
		if reason != "" {
			b.WriteString(": ")
		}
		b.WriteString(words.Printable(e.Err.Error(), words.MostShown))
	}
	return b.String()
}

// Unwrap returns ErrFormat and the cause.
func (e *FormatError) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrFormat}
	}
	return []error{ErrFormat, e.Err}
}
