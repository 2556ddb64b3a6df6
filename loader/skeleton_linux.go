package loader

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// createSkeleton makes a file in memory, which needs no disk, leaves nothing behind
// and is not even charged for its hole. Where there is none, or where it has no path
// because /proc is missing or hidden, a temporary file serves.
func createSkeleton() (*skeletonFile, error) {
	f, err := memoryFile()
	if err != nil {
		return tempSkeleton()
	}
	path := fmt.Sprintf("/proc/self/fd/%d", f.Fd())
	if again, err := os.Open(path); err != nil || again.Close() != nil {
		f.Close()
		return tempSkeleton()
	}
	return &skeletonFile{File: f, path: path, finish: func() error { return seal(f) }}, nil
}

// memoryFile makes a file in memory. Kernels before 6.3 don't know the flag for files
// that shall not be executed, and later ones may insist on it.
func memoryFile() (*os.File, error) {
	const name, flags = "infer-skeleton", unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate(name, flags)
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// seal makes the file one that nobody can change any more, through whatever name.
func seal(f *os.File) error {
	const all = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	_, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, all)
	if errors.Is(err, unix.EINVAL) { // emulated kernels know no seals: then it is not sealed
		return nil
	}
	return os.NewSyscallError("fcntl", err)
}
