package loader

import (
	"fmt"
	"time"
)

// Changed returns an error wrapping [ErrFileChanged] when one of the open files has
// another size or time of modification than when it was opened. A file that was
// replaced, rather than written to, is still the one that is open.
func (ix *Index) Changed() error {
	for _, f := range ix.files {
		if ix.closed.Load() {
			return fmt.Errorf("%s: %w", quotePath(f.path), ErrClosed)
		}
		if err := f.unchanged(); err != nil {
			return err
		}
	}
	return nil
}

func (f *file) unchanged() error {
	size, modified, err := sizeAndTime(f.f)
	switch {
	case err != nil:
		return fmt.Errorf("%s: can't be looked at: %w", quotePath(f.path), err)
	case size != f.size:
		return fmt.Errorf("%s: %w: it has %d bytes and had %d: load it again", quotePath(f.path), ErrFileChanged, size, f.size)
	case !modified.Equal(f.modTime):
		return fmt.Errorf("%s: %w: it was written to at %s: load it again", quotePath(f.path), ErrFileChanged, modified.Format(time.RFC3339Nano))
	}
	return nil
}
