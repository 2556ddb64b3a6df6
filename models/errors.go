package models

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/seed7adf6694/infer/internal/words"
)

// ErrType is wrapped if weights can't be made in a type, as it is unknown or needs an importance
// matrix.
var ErrType = errors.New("type is not possible")

// ErrAmbiguous is wrapped if a name or a folder matches several models.
var ErrAmbiguous = errors.New("several models match")

// Looked is a place where a model was looked for without success.
type Looked struct {
	Path string // file, folder or pattern
	Err  error  // why it could not be examined; nil if nothing was there
}

// A NotFoundError is returned if no file matches a name. It lists the places that were examined. It
// wraps [fs.ErrNotExist], and [fs.ErrPermission] if a place could not be accessed.
type NotFoundError struct {
	Name        string
	Looked      []Looked
	Suggestions []string // existing models with a similar name
	Hint        string   // other advice; may be empty
}

func (e *NotFoundError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "model %s not found", words.Quoted(e.Name))
	for i, l := range e.Looked {
		if i == 0 {
			b.WriteString(": looked at ")
		} else {
			b.WriteString(", ")
		}
		b.WriteString(show(l.Path))
		if l.Err != nil {
			fmt.Fprintf(&b, " (%v)", cause(l.Err))
		}
	}
	if len(e.Suggestions) > 0 {
		b.WriteString("; did you mean ")
		b.WriteString(list(e.Suggestions, " or "))
		b.WriteString("?")
	} else if e.Hint != "" {
		b.WriteString("; ")
		b.WriteString(e.Hint)
	}
	return b.String()
}

// Unwrap returns fs.ErrNotExist and the errors of places that could not be examined.
func (e *NotFoundError) Unwrap() []error {
	errs := []error{fs.ErrNotExist}
	for _, l := range e.Looked {
		if l.Err != nil {
			errs = append(errs, l.Err)
		}
	}
	return errs
}

// An AmbiguousError is returned if a name or a folder matches several models. It wraps
// [ErrAmbiguous].
type AmbiguousError struct {
	Name       string
	Candidates []string // paths, sorted
}

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("%s stands for %d models, name one of them: %s", words.Quoted(e.Name), len(e.Candidates), list(e.Candidates, ", "))
}

// Unwrap returns ErrAmbiguous.
func (e *AmbiguousError) Unwrap() error { return ErrAmbiguous }

// A ShapeError is returned for a [Shape] that no model can have, and for text that is no shape.
type ShapeError struct {
	Key    string // of the number in [ParseShape]'s text; "" for a name or for several numbers
	Value  string // its value, or what stands there instead of a key; "" if it is missing
	Reason string // what is wrong, with the key, the value and what is possible
}

func (e *ShapeError) Error() string { return "shape: " + e.Reason }

func shapeError(key string, value any, reason string, args ...any) error {
	return &ShapeError{key, fmt.Sprint(value), fmt.Sprintf(reason, args...)}
}

// list joins paths for a message; of many it shows the first ones.
func list(paths []string, separator string) string {
	const most = 20
	var b strings.Builder
	for i, p := range paths {
		if i > 0 {
			b.WriteString(separator)
		}
		if i == most {
			fmt.Fprintf(&b, "%d more", len(paths)-most)
			break
		}
		b.WriteString(show(p))
	}
	return b.String()
}

// show quotes a path if it is empty or has unprintable characters.
func show(path string) string {
	if path == "" {
		return `""`
	}
	for _, c := range path {
		if !strconv.IsPrint(c) || c == utf8.RuneError {
			return words.Quoted(path)
		}
	}
	return path
}

// cause removes operation and path from a file system error, for messages that show the path anyway.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
