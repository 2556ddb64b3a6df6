package files

import "errors"

// Errors of files and of what has been closed, for all packages of the loader.
var (
	// ErrFileChanged is wrapped if the size or modification time of a model's file is no longer
	// what it was when the file was opened.
	ErrFileChanged = errors.New("file changed since it was opened")

	// ErrFileInUse is wrapped if Windows refuses to open, replace or remove a file because another
	// program has it open or mapped.
	ErrFileInUse = errors.New("in use by another program")

	// ErrClosed is wrapped if a value is used after its Close.
	ErrClosed = errors.New("closed")
)
