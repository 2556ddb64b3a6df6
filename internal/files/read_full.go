package files

import (
	"errors"
	"fmt"
	"io"
)

// maxInterruptions is how many reads in a row may return nothing before ReadFull gives up.
const maxInterruptions = 100

// ReadFull reads len(b) bytes at an offset and repeats short reads.
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
