// Package gguf reads and writes files of the GGUF format: metadata, tensors and their types,
// models in one file or in shards, and the keys of packed files. [Open] checks the structure
// of the files; whether an engine can load them as a model is the subject of package check.
//
// No number of a file is trusted before it has been compared with the file's size: a header
// takes memory in proportion to the file, whatever it says. Errors are [*FormatError].
package gguf
