package files

import (
	"os"

	"golang.org/x/sys/unix"
)

// Forget takes a piece of a file out of the page cache where nobody maps it.
func Forget(f *os.File, offset int64, size uint64) { Advise(f, offset, size, unix.FADV_DONTNEED) }

// Advise tells the system what a piece of a file in its cache will be good for.
func Advise(f *os.File, offset int64, size uint64, advice int) {
	if c, err := f.SyscallConn(); err == nil {
		_ = c.Control(func(fd uintptr) { _ = unix.Fadvise(int(fd), offset, int64(size), advice) })
	}
}
