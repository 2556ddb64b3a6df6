package space

import (
	"os"

	"golang.org/x/sys/unix"
)

// sharedFile returns an empty file in memory.
func sharedFile() (*os.File, error) {
	fd, err := unix.MemfdCreate("infer-scratch", unix.MFD_CLOEXEC)
	if err != nil {
		return tempMemory() // older than Linux 3.17, or forbidden
	}
	return os.NewFile(uintptr(fd), "infer-scratch"), nil
}
