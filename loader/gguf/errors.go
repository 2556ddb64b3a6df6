package gguf

import (
	"errors"
	"fmt"
	"strings"

	"github.com/seed7adf6694/infer/internal/words"
)

// ErrFormat is wrapped by every error about a file's content: it is not GGUF, damaged, truncated,
// or describes a model that the engine cannot load. The details are in a [*FormatError].
var ErrFormat = errors.New("invalid GGUF")

// ErrTruncated is wrapped, beside [ErrFormat], if a file ends before what its header announces: it
// was cut short, or its header is damaged.
var ErrTruncated = errors.New("file is truncated")

// A FormatError is returned for invalid content of a model's file, and for what a [Writer] may not
// write. It wraps [ErrFormat] and, if it is not nil, Err.
type FormatError struct {
	File   string // path of the file, or of the shard; "" from a Writer
	Offset int64  // byte at which the field begins; -1: none
	Field  string // what was read, such as `version` or `key "general.alignment"`
	Value  string // value of the field; "" if there is none to show
	Reason string // what is wrong with it
	Err    error  // the cause, such as ErrTruncated or an error of the file system; may be nil
}

// Error returns one line of printable text, whatever the file contains.
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

// Unwrap returns ErrFormat and Err.
func (e *FormatError) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrFormat}
	}
	return []error{ErrFormat, e.Err}
}
