package loader

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

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
		b.WriteString(quotePath(e.File) + ": ")
	}
	if e.Field != "" {
		b.WriteString(printable(e.Field, maxShownText))
		if e.Offset >= 0 {
			fmt.Fprintf(&b, " at byte %d", e.Offset)
		}
		if e.Value != "" {
			b.WriteString(" is " + printable(e.Value, maxShownText))
		}
		b.WriteString(": ")
	}
	reason := e.Reason
	if reason == "" && e.Err == nil {
		reason = ErrFormat.Error()
	}
	b.WriteString(printable(reason, maxShownText))
	if e.Err != nil {
		if reason != "" {
			b.WriteString(": ")
		}
		b.WriteString(printable(e.Err.Error(), maxShownText))
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

const (
	maxShownName = 80  // bytes of a name or a text of the file in an error
	maxShownText = 600 // bytes of one part of an error
)

// quote returns text of a file as it appears in errors: a Go string literal, and
// not for pages.
func quote(s string) string {
	if len(s) <= maxShownName {
		return strconv.Quote(s)
	}
	return fmt.Sprintf("%s… (%d bytes)", strconv.Quote(s[:maxShownName]), len(s))
}

// quotePath keeps an error on one line, whatever a file is called.
func quotePath(path string) string { return printable(path, len(path)) }

// printable returns s with everything escaped that could end or disguise a line
// of a terminal or log, and cut to about limit bytes.
func printable(s string, limit int) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }) {
		s = escaped(s, false)
		limit = max(limit, 4*limit) // an escape takes up to that many bytes
	}
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit] + "…"
}
