//go:build unix

package loader

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

func (mmapSystem) lock(p unsafe.Pointer, size uint64) error {
	return os.NewSyscallError("mlock", unix.Mlock(bytesAt(p, size)))
}

func (mmapSystem) unlock(p unsafe.Pointer, size uint64) error {
	return os.NewSyscallError("munlock", unix.Munlock(bytesAt(p, size)))
}
