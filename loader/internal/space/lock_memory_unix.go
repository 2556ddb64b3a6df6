//go:build unix

package space

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

func (mmapSystem) Lock(p unsafe.Pointer, size uint64) error {
	return os.NewSyscallError("mlock", unix.Mlock(BytesAt(p, size)))
}

func (mmapSystem) Unlock(p unsafe.Pointer, size uint64) error {
	return os.NewSyscallError("munlock", unix.Munlock(BytesAt(p, size)))
}
