package loader

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// skeletonFile makes a file in memory, which needs no disk. Where /proc is missing it
// has no path, and a temporary file serves.
func skeletonFile() (f *os.File, path string, remove func() error, err error) {
	fd, err := unix.MemfdCreate("infer-skeleton", unix.MFD_CLOEXEC)
	if err != nil {
		return tempSkeleton()
	}
	f = os.NewFile(uintptr(fd), "infer-skeleton")
	path = fmt.Sprintf("/proc/self/fd/%d", fd)
	if _, err := os.Stat(path); err != nil {
		f.Close()
		return tempSkeleton()
	}
	return f, path, func() error { return nil }, nil
}
