package loader

import (
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/gguf/check"
)

// OpenOptions are the options of [OpenWith]. The zero value is that of [Open].
type OpenOptions struct {
	// SkipModel checks only the structure of the files, not whether the engine can load them as a
	// model: to inspect a file, and for LoRA adapters and importance matrices, which are no models.
	// Do not pass such an index to the engine as a model.
	SkipModel bool
	// Engine is the engine that is to load the model. The zero value is the one that is compiled in.
	Engine check.Engine
}

// Open opens a model for the engine that is compiled in, and validates it: the structure of its files, and the metadata and vocabulary
// that the engine relies on. path is the model's file, or any of its shards. It reads the headers
// and the last 4 KiB of the tensors, or more if those are zero: see [gguf.Index.Warnings].
//
// The error is a [*gguf.FormatError] for invalid content, with a [*check.EngineError] in it for
// what another engine may know, and the system's error, such as one
// that is [fs.ErrNotExist], for a file that cannot be opened.
func Open(path string) (*gguf.Index, error) { return OpenWith(path, OpenOptions{}) }

// OpenWith is [Open] with options.
func OpenWith(path string, o OpenOptions) (*gguf.Index, error) {
	if o.SkipModel {
		return gguf.Open(path, gguf.Options{})
	}
	return gguf.Open(path, gguf.Options{Check: o.Engine.Model})
}
