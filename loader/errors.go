package loader

import "errors"

// Errors of files and of what has been closed, for all packages of the loader.
var (
	// ErrFileChanged is wrapped when a model's file no longer has the size or the
	// modification time that it had when it was opened.
	ErrFileChanged = errors.New("file changed since it was opened")

	// ErrFileInUse is wrapped when Windows does not open, replace or remove a file
	// because another program has it open or mapped.
	ErrFileInUse = errors.New("in use by another program")

	// ErrPurpose is wrapped when memory is asked for a [Purpose] that it cannot be taken for:
	// none, or an unknown one.
	ErrPurpose = errors.New("no purpose of memory")

	// ErrClosed is wrapped when something is used after its Close.
	ErrClosed = errors.New("closed")
)
