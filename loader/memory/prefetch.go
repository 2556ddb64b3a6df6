package memory

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/seed7adf6694/infer/internal/files"
)

// readAhead reads a file range and discards it, so that it is in the page cache. The end of the file
// is no error.
func readAhead(ctx context.Context, f *os.File, offset int64, size uint64) error {
	buf := make([]byte, min(1<<20, size))
	for size > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(uint64(len(buf)), size)
		if err := files.ReadFull(f, buf[:n], offset); err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				return nil
			}
			return err
		}
		offset, size = offset+int64(n), size-n
	}
	return nil
}
