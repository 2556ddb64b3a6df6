package loader

import (
	"os"

	"golang.org/x/sys/unix"
)

// forget takes a piece of a file out of the page cache where nobody maps it.
func forget(f *os.File, offset int64, size uint64) { advise(f, offset, size, unix.FADV_DONTNEED) }

// advise tells the system what a piece of a file in its cache will be good for.
func advise(f *os.File, offset int64, size uint64, advice int) {
	if c, err := f.SyscallConn(); err == nil {
		_ = c.Control(func(fd uintptr) { _ = unix.Fadvise(int(fd), offset, int64(size), advice) })
	}
}
