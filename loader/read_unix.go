//go:build unix

package loader

import (
	"errors"

	"golang.org/x/sys/unix"
)

// temporary tells whether a read may be tried again as it was.
func temporary(err error) bool { return errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) }
