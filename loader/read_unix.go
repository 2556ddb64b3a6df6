//go:build unix

package loader

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// openRegular opens a file for reading. What was a file a moment ago may be a FIFO
// now, which must not block.
func openRegular(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
}

// temporary tells whether a read may be tried again as it was.
func temporary(err error) bool { return errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) }
