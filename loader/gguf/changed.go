package gguf

import (
	"fmt"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/internal/words"
)

// Changed returns an error wrapping [files.ErrFileChanged] when one of the open files has
// another size or time of modification than when it was opened. A file that was
// replaced, rather than written to, is still the one that is open.
func (ix *Index) Changed() error {
	for i := range ix.files {
		if err := ix.FileChanged(i); err != nil {
			return err
		}
	}
	return nil
}

// FileChanged is [Index.Changed] of the i-th file.
func (ix *Index) FileChanged(i int) error {
	f := ix.files[i]
	if ix.closed.Load() {
		return fmt.Errorf("%s: %w", words.QuotePath(f.Path), files.ErrClosed)
	}
	return f.Unchanged()
}

// Closed tells whether the index has been closed.
func (ix *Index) Closed() bool { return ix.closed.Load() }
