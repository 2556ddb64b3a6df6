package loader

import "github.com/seed7adf6694/infer/internal/files"

// Errors of files, which those of all packages below wrap. What is wrong with a file's content
// is a gguf.FormatError, and lack of memory a memory.Error.
var (
	// ErrFileChanged is wrapped when a model's file no longer has the size or the
	// modification time that it had when it was opened.
	ErrFileChanged = files.ErrFileChanged

	// ErrFileInUse is wrapped when Windows does not open, replace or remove a file
	// because another program has it open or mapped.
	ErrFileInUse = files.ErrFileInUse

	// ErrClosed is wrapped when something is used after its Close.
	ErrClosed = files.ErrClosed
)

// Progress is told how many of how many bytes are done. It is called by one goroutine
// at a time; done never falls, and is total once at the end.
type Progress = files.Progress
