//go:build !linux

package loader

import (
	"context"
	"errors"
	"io"
	"os"
	"unsafe"
)

// prefetch reads a chunk's part of the file, which leaves it in the system's cache
// where the mapping finds it.
func prefetch(ctx context.Context, _ unsafe.Pointer, c Chunk, f *os.File) error {
	buf := make([]byte, 1<<20)
	r := io.NewSectionReader(f, c.Offset, int64(c.Size))
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := r.Read(buf); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}
