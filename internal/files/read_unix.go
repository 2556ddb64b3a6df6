//go:build unix

package files

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// OpenRegular opens a file for reading. The file may have been replaced by a FIFO since it was checked;
// opening must not block then.
func OpenRegular(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
}

// Temporary reports whether a read may be repeated unchanged.
func Temporary(err error) bool { return errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) }
