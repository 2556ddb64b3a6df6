// Package gguf reads and writes files of the GGUF format: metadata, tensors and their types, models
// in one file or in shards, and the keys of packed files. [Open] checks the structure of the
// files; package check checks whether the engine can load them as a model.
//
// Counts and sizes in a file are compared with the file's size before they are used, so that
// memory is at most proportional to the file. Errors about content are [*FormatError].
package gguf
