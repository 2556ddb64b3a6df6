//go:build unix

package memtest

import (
	"os"
	"syscall"
)

// Memory returns zeroed native memory of its own mapping, and the function that gives it back.
func Memory(size int) (b []byte, release func() error, err error) {
	return mapped(size, syscall.PROT_READ|syscall.PROT_WRITE)
}

// Addresses returns addresses without memory, which nobody may read or write, and the
// function that gives them back.
func Addresses(size int) (b []byte, release func() error, err error) {
	return mapped(size, syscall.PROT_NONE)
}

func mapped(size, prot int) ([]byte, func() error, error) {
	b, err := syscall.Mmap(-1, 0, size, prot, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil, nil, os.NewSyscallError("mmap", err)
	}
	return b, func() error { return os.NewSyscallError("munmap", syscall.Munmap(b)) }, nil
}
