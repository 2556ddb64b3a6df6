package loader

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrFormat is wrapped by every error about a file's content.
	ErrFormat = errors.New("invalid GGUF")
	// ErrUnsupportedArchitecture is wrapped, beside ErrFormat, where a valid file is of
	// an architecture that the engine does not know.
	ErrUnsupportedArchitecture = errors.New("unsupported architecture")
	// ErrFileChanged is returned when a file is not what it was when it was opened.
	ErrFileChanged = errors.New("file changed since it was opened")
	// ErrInsufficientMemory is wrapped by every error about memory that is not there.
	ErrInsufficientMemory = errors.New("not enough memory")
	// ErrClosed is returned when something closed is used.
	ErrClosed = errors.New("closed")
)

// FormatError is what is wrong in a file, where.
type FormatError struct {
	File   string
	Offset int64  // bytes from the beginning of the file; -1 where it has no place
	Field  string // "version", "key general.alignment", "tensor output.weight", ...
	Value  string // what the file says, quoted and cut short where it is text; "" for nothing
	Reason string
	Err    error // the system's error, ErrUnsupportedArchitecture, or nil
}

func (e *FormatError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %v", quotePath(e.File), ErrFormat)
	if e.Offset >= 0 {
		fmt.Fprintf(&b, " at byte %d", e.Offset)
	}
	if e.Field != "" {
		b.WriteString(": " + e.Field)
	}
	if e.Value != "" {
		b.WriteString(" is " + e.Value)
	}
	if e.Reason != "" {
		b.WriteString(": " + e.Reason)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap makes the error an ErrFormat, and what Err is.
func (e *FormatError) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrFormat}
	}
	return []error{ErrFormat, e.Err}
}

// quotePath keeps an error on one line whatever a file is called.
func quotePath(path string) string {
	for _, r := range path {
		if r < ' ' || r == 0x7f {
			return fmt.Sprintf("%q", path)
		}
	}
	return path
}

// quote is how text of a file appears in errors: on one line, and not for pages.
func quote(s string) string {
	const limit = 80
	if len(s) > limit {
		return fmt.Sprintf("%q... (%d bytes)", s[:limit], len(s))
	}
	return fmt.Sprintf("%q", s)
}
