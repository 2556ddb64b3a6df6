// Package models answers one question: which file?
//
// It turns what a user names into a path that the loader can open, and makes
// files where there are none: the embedded default model and synthetic models
// of any size for measurements.
//
//   - [Resolve] takes a path, the word tiny, a name found in the folders of
//     INFER_MODELS, a folder holding one model or one shard of a set.
//   - [Tiny] puts the embedded model (3.9 M parameters, q4_0, 2.4 MB) into the
//     user's cache folder and returns its path.
//   - [Synthesize] writes a llama-architecture GGUF of a [Shape] with seeded
//     random weights, as a stream and in bounded memory.
//
// The package is pure Go. It never opens a model to read it and never prints;
// quantising is done by a [Quantizer] that the caller brings. All of it may be
// called from several goroutines and several processes at once.
package models
