package loader

import "github.com/seed7adf6694/infer/internal/files"

// Errors of files, wrapped by the errors of all packages below. Invalid content of a file is a
// gguf.FormatError, lack of memory a memory.Error.
var (
	// ErrFileChanged is wrapped if the size or modification time of a model's file is no longer
	// what it was when the file was opened.
	ErrFileChanged = files.ErrFileChanged

	// ErrFileInUse is wrapped if Windows refuses to open, replace or remove a file because another
	// program has it open or mapped.
	ErrFileInUse = files.ErrFileInUse

	// ErrClosed is wrapped if a value is used after its Close.
	ErrClosed = files.ErrClosed
)

// Progress is called with the bytes done and their total, by one goroutine at a time. done never
// decreases; the last call after success has done equal to total.
type Progress = files.Progress
