package files

import (
	"errors"
	"fmt"
	"io"
)

// maxInterruptions bounds how often in a row a read that brings nothing is tried.
const maxInterruptions = 100

// ReadFull reads all of b at an offset, however small the pieces in which it comes.
func ReadFull(r io.ReaderAt, b []byte, offset int64) error {
	for interruptions := 0; len(b) > 0; {
		n, err := r.ReadAt(b, offset)
		if n < 0 || n > len(b) {
			return errors.New("reader returned an impossible count")
		}
		b, offset = b[n:], offset+int64(n)
		if n > 0 {
			interruptions = 0
		} else {
			interruptions++
		}
		switch {
		case len(b) == 0:
			return nil
		case errors.Is(err, io.EOF):
			return io.ErrUnexpectedEOF
		case err != nil && !Temporary(err):
			return err
		case interruptions > maxInterruptions && err != nil:
			return fmt.Errorf("%w: %w", io.ErrNoProgress, err)
		case interruptions > maxInterruptions:
			return io.ErrNoProgress
		}
	}
	return nil
}
