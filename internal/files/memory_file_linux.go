package files

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// MemoryFile makes an immutable file in memory. Its name is a path for this process and its children,
// until the file is closed. If the system has no such files, the error wraps
// [errors.ErrUnsupported]; if they have no path because /proc is missing or hidden, the error
// says so.
func MemoryFile(name, content string) (*os.File, error) {
	made, err := NewMemoryFile(name)
	if err != nil {
		return nil, err
	}
	defer made.Close()
	fd, err := unix.FcntlInt(made.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	f := os.NewFile(uintptr(fd), fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd))
	if _, err = f.WriteString(content); err == nil {
		err = Seal(f)
	}
	if err == nil {
		err = samePath(f, f.Name())
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// samePath returns an error if a path does not lead to the open file: /proc may be that of another
// PID namespace.
func samePath(f *os.File, path string) error {
	again, err := os.Open(path)
	if err != nil {
		return err
	}
	defer again.Close()
	a, err := f.Stat()
	if err != nil {
		return err
	}
	if b, err := again.Stat(); err != nil || !os.SameFile(a, b) {
		return errors.Join(fmt.Errorf("%s leads to another file", path), err)
	}
	return nil
}

// NewMemoryFile makes an empty file in memory. Kernels before 6.3 do not know the flag for files
// that are not executable; later ones may require it.
func NewMemoryFile(name string) (*os.File, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate(name, flags)
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// Seal makes the file immutable, through any path.
func Seal(f *os.File) error {
	const all = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	_, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, all)
	if errors.Is(err, unix.EINVAL) { // emulated kernels have no seals: then it is not sealed
		return nil
	}
	return os.NewSyscallError("fcntl", err)
}
