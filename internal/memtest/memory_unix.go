//go:build unix

package memtest

import (
	"os"
	"syscall"
)

// Memory returns zeroed native memory in a mapping of its own, and a function that frees it.
func Memory(size int) (b []byte, release func() error, err error) {
	return mapped(size, syscall.PROT_READ|syscall.PROT_WRITE)
}

// Addresses returns reserved addresses without memory or access, and a function that frees them.
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
