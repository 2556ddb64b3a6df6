package schema

import (
	"errors"
	"fmt"
	"strings"

	"github.com/seed7adf6694/infer/internal/words"
)

// ErrSchema is wrapped by an [*Error].
var ErrSchema = errors.New("invalid schema")

// Error says why a schema has no grammar.
type Error struct {
	Path    string // JSON pointer of the schema that has the keyword; "" is the whole
	Keyword string // "" if it is about the schema itself
	Reason  string
}

func (e *Error) Error() string {
	at := "#" + words.Printable(e.Path, words.MostShown)
	if e.Keyword != "" {
		at += ": " + words.Printable(e.Keyword, words.MostShown)
	}
	return fmt.Sprintf("%s: %s: %s", ErrSchema, at, e.Reason)
}

// Unwrap returns [ErrSchema].
func (e *Error) Unwrap() error { return ErrSchema }

// fail returns an error about a keyword of a schema.
func (v *value) fail(keyword, reason string, args ...any) error {
	return &Error{Path: v.pointer(), Keyword: keyword, Reason: fmt.Sprintf(reason, args...)}
}

// pointer returns the JSON pointer of a value.
func (v *value) pointer() string {
	if v == nil || v.parent == nil {
		return ""
	}
	var parts []string
	for ; v.parent != nil; v = v.parent {
		parts = append(parts, strings.NewReplacer("~", "~0", "/", "~1").Replace(v.name))
	}
	var b strings.Builder
	for i := len(parts) - 1; i >= 0; i-- {
		b.WriteString("/" + parts[i])
	}
	return b.String()
}
