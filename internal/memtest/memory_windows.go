package memtest

import (
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Memory returns zeroed native memory in an allocation of its own, and a function that frees it.
func Memory(size int) (b []byte, release func() error, err error) {
	return allocated(size, windows.MEM_RESERVE|windows.MEM_COMMIT, windows.PAGE_READWRITE)
}

// Addresses returns reserved addresses without memory or access, and a function that frees them.
func Addresses(size int) (b []byte, release func() error, err error) {
	return allocated(size, windows.MEM_RESERVE, windows.PAGE_NOACCESS)
}

func allocated(size int, kind, protect uint32) ([]byte, func() error, error) {
	addr, err := windows.VirtualAlloc(0, uintptr(size), kind, protect)
	if err != nil {
		return nil, nil, os.NewSyscallError("VirtualAlloc", err)
	}
	// This conversion tells vet that the address is not in Go's heap.
	p := *(*unsafe.Pointer)(unsafe.Pointer(&addr))
	return unsafe.Slice((*byte)(p), size), func() error {
		return os.NewSyscallError("VirtualFree", windows.VirtualFree(addr, 0, windows.MEM_RELEASE))
	}, nil
}
