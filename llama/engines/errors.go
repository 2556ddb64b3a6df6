package engines

import (
	"errors"
	"fmt"
	"strings"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/internal/words"
)

// Kinds of errors.
var (
	// ErrNoEngine is wrapped by a [*FolderError]: a folder or an archive has no engine for this
	// system.
	ErrNoEngine = errors.New("no engine for this system")

	// ErrUntrusted is wrapped by a [*TrustError]: other users could replace the engine.
	ErrUntrusted = errors.New("others can write to it")

	// ErrInUse is wrapped if Windows refuses to replace or to remove an engine that a program uses.
	ErrInUse = files.ErrFileInUse

	// ErrNoHome is wrapped if the user has no folder for data.
	ErrNoHome = errors.New("no folder for the user's data")
)

// FolderError says why a folder or an archive has no engine that this system can load.
type FolderError struct {
	Path    string
	Missing []string // libraries that are not there, such as "ggml-base"
	Reason  string   // anything else; "" if libraries are missing
}

func (e *FolderError) Error() string {
	reason := e.Reason
	if reason == "" {
		reason = "missing " + words.Enumerate(e.Missing)
	}
	return fmt.Sprintf("%s: %s: %s", words.QuotePath(e.Path), ErrNoEngine, reason)
}

// Unwrap returns [ErrNoEngine].
func (e *FolderError) Unwrap() error { return ErrNoEngine }

// TrustError says who could replace the libraries of a folder.
type TrustError struct {
	Path   string // the folder
	At     string // the folder or file that others can write to: in Path, Path or above it
	Reason string
}

func (e *TrustError) Error() string {
	at := ""
	if e.At != e.Path {
		at = words.QuotePath(e.At) + ": "
	}
	return fmt.Sprintf("%s: %s: %s%s", words.QuotePath(e.Path), ErrUntrusted, at, e.Reason)
}

// Unwrap returns [ErrUntrusted].
func (e *TrustError) Unwrap() error { return ErrUntrusted }

// missing returns a FolderError for libraries that are not there.
func missing(path string, bases []string) error {
	names := make([]string, len(bases))
	for i, base := range bases {
		names[i] = strings.TrimSuffix(plainName(base, system), "."+extension(system))
	}
	return &FolderError{Path: path, Missing: names}
}
