package files

import "errors"

// Errors of files and of what has been closed, for all packages of the loader.
var (
	// ErrFileChanged is wrapped when a model's file no longer has the size or the
	// modification time that it had when it was opened.
	ErrFileChanged = errors.New("file changed since it was opened")

	// ErrFileInUse is wrapped when Windows does not open, replace or remove a file
	// because another program has it open or mapped.
	ErrFileInUse = errors.New("in use by another program")

	// ErrClosed is wrapped when something is used after its Close.
	ErrClosed = errors.New("closed")
)
