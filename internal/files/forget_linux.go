package files

import (
	"os"

	"golang.org/x/sys/unix"
)

// Forget evicts a file range from the page cache, unless a process maps it.
func Forget(f *os.File, offset int64, size uint64) { Advise(f, offset, size, unix.FADV_DONTNEED) }

// Advise calls posix_fadvise for a file range.
func Advise(f *os.File, offset int64, size uint64, advice int) {
	if c, err := f.SyscallConn(); err == nil {
		_ = c.Control(func(fd uintptr) { _ = unix.Fadvise(int(fd), offset, int64(size), advice) })
	}
}
