package loader

import (
	"os"

	"golang.org/x/sys/unix"
)

// sharedMemory is memory that can be mapped several times.
func sharedMemory(size int64) (*os.File, error) {
	fd, err := unix.MemfdCreate("infer-scratch", unix.MFD_CLOEXEC)
	if err != nil {
		return tempMemory(size)
	}
	f := os.NewFile(uintptr(fd), "infer-scratch")
	if err := f.Truncate(size); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
