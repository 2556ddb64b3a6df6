package loader

import "errors"

var (
	// ErrFormat is wrapped by every error about what a file holds: it is no GGUF
	// file, is damaged, can't be read to the end, or describes a model that the
	// engine can't load. The detail is a [*FormatError].
	ErrFormat = errors.New("invalid GGUF")

	// ErrUnsupportedArchitecture is wrapped, beside [ErrFormat], when a file is
	// sound but its general.architecture is none that the engine knows.
	ErrUnsupportedArchitecture = errors.New("unsupported architecture")

	// ErrFileChanged is wrapped when a model's file no longer has the size or the
	// modification time that it had when it was opened.
	ErrFileChanged = errors.New("file changed since it was opened")

	// ErrInsufficientMemory is wrapped by every error that says that memory or
	// address space was refused or would be. The detail is a [*MemoryError].
	ErrInsufficientMemory = errors.New("not enough memory")

	// ErrFileInUse is wrapped when Windows does not open, replace or remove a file
	// because another program has it open or mapped.
	ErrFileInUse = errors.New("in use by another program")

	// ErrPurpose is wrapped when memory is asked for a [Purpose] that it cannot be taken for:
	// none, or an unknown one.
	ErrPurpose = errors.New("no purpose of memory")

	// ErrClosed is wrapped when something is used after its Close.
	ErrClosed = errors.New("closed")
)
