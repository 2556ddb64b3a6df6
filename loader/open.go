package loader

import (
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/gguf/check"
)

// OpenOptions are the options of [OpenWith]. The zero value is what [Open] does.
type OpenOptions struct {
	// SkipModel checks the structure of the files alone, not whether the engine could
	// load them as a model: for looking at a file, and for those that are no model,
	// such as LoRA adapters and importance matrices. Such an index must not reach the
	// engine as a model.
	SkipModel bool
}

// Open opens a model and validates it: the structure of its files, and what of its
// metadata and vocabulary the engine relies on. path is the model's file, or any of
// its shards. Only the headers are read, and the last 4 KiB of the tensors, or more where
// those are zero: see [gguf.Index.Warnings].
//
// The error is a [*gguf.FormatError] for what is wrong with a file, and the system's, such
// as one that is [fs.ErrNotExist], for a file that can't be opened.
func Open(path string) (*gguf.Index, error) { return OpenWith(path, OpenOptions{}) }

// OpenWith is [Open] with options.
func OpenWith(path string, o OpenOptions) (*gguf.Index, error) {
	if o.SkipModel {
		return gguf.Open(path, gguf.Options{})
	}
	return gguf.Open(path, gguf.Options{Check: check.Model})
}
