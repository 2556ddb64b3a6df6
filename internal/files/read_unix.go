//go:build unix

package files

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// OpenRegular opens a file for reading. What was a file a moment ago may be a FIFO
// now, which must not block.
func OpenRegular(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
}

// Temporary tells whether a read may be tried again as it was.
func Temporary(err error) bool { return errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) }
