package gguf

import (
	"fmt"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/internal/words"
)

// Changed returns an error that wraps [files.ErrFileChanged] if the size or modification time of an
// open file has changed since it was opened. If a file was replaced instead of overwritten, the
// old one stays open, which is no change.
func (ix *Index) Changed() error {
	for i := range ix.files {
		if err := ix.FileChanged(i); err != nil {
			return err
		}
	}
	return nil
}

// FileChanged is [Index.Changed] for the i-th file.
func (ix *Index) FileChanged(i int) error {
	f := ix.files[i]
	if ix.closed.Load() {
		return fmt.Errorf("%s: %w", words.QuotePath(f.Path), files.ErrClosed)
	}
	return f.Unchanged()
}

// Closed reports whether the index has been closed.
func (ix *Index) Closed() bool { return ix.closed.Load() }
