package space

import (
	"os"

	"golang.org/x/sys/unix"
)

// sharedFile is a file in memory, empty.
func sharedFile() (*os.File, error) {
	fd, err := unix.MemfdCreate("infer-scratch", unix.MFD_CLOEXEC)
	if err != nil {
		return tempMemory() // before Linux 3.17, or forbidden
	}
	return os.NewFile(uintptr(fd), "infer-scratch"), nil
}
