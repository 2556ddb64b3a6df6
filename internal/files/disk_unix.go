//go:build linux || darwin

package files

import (
	"os"

	"golang.org/x/sys/unix"
)

// DiskFree returns the bytes that this user can still write to the file system of a folder.
func DiskFree(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, os.NewSyscallError("statfs", err)
	}
	return uint64(st.Bavail) * uint64(st.Bsize), nil
}
