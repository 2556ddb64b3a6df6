package memtest

import (
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Memory returns zeroed native memory of its own allocation, and the function that gives it back.
func Memory(size int) (b []byte, release func() error, err error) {
	return allocated(size, windows.MEM_RESERVE|windows.MEM_COMMIT, windows.PAGE_READWRITE)
}

// Addresses returns addresses without memory, which nobody may read or write, and the
// function that gives them back.
func Addresses(size int) (b []byte, release func() error, err error) {
	return allocated(size, windows.MEM_RESERVE, windows.PAGE_NOACCESS)
}

func allocated(size int, kind, protect uint32) ([]byte, func() error, error) {
	addr, err := windows.VirtualAlloc(0, uintptr(size), kind, protect)
	if err != nil {
		return nil, nil, os.NewSyscallError("VirtualAlloc", err)
	}
	// The detour tells vet that this is no address in Go's heap.
	p := *(*unsafe.Pointer)(unsafe.Pointer(&addr))
	return unsafe.Slice((*byte)(p), size), func() error {
		return os.NewSyscallError("VirtualFree", windows.VirtualFree(addr, 0, windows.MEM_RELEASE))
	}, nil
}
