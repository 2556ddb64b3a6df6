//go:build unix

package loader

import (
	"errors"

	"golang.org/x/sys/unix"
)

// lacksMemory tells whether the system refused for want of memory or addresses.
func lacksMemory(err error) bool { return errors.Is(err, unix.ENOMEM) || errors.Is(err, unix.EAGAIN) }

// limitOf is the limit that an error names by itself: none of them here.
func limitOf(error) Limit { return "" }
