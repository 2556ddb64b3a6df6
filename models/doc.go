// Package models finds model files.
//
// It turns a name from the user into a path for the loader, and makes files: the embedded default
// model and synthetic models of any size for measurements.
//
//   - [Resolve] accepts a path, the word tiny, a name in the folders of INFER_MODELS, a folder with
//     one model, one shard of a model, or a name of Hugging Face whose model package pull has
//     downloaded.
//   - [Tiny] writes the embedded model (3.9 M parameters, q4_0, 2.4 MB) to the user's cache
//     folder and returns its path.
//   - [Synthesize] writes a GGUF of a [Shape] with seeded random weights,
//     sequentially and in bounded memory.
//
// The package is pure Go. It does not read model files and does not print; a [Quantizer] of the
// caller does quantisation. All functions are safe for concurrent use, also by several processes.
package models
