//go:build unix

package loader

import (
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// granularity is the unit of mappings: the page size.
var granularity = sync.OnceValue(func() uint64 { return uint64(os.Getpagesize()) })

// mmapSystem is the system's memory through mmap(2).
type mmapSystem struct{}

// realSystem is the memory that programs get.
var realSystem system = mmapSystem{}

func (mmapSystem) reserve(size uint64, _ bool) (unsafe.Pointer, error) {
	p, err := unix.MmapPtr(-1, 0, nil, uintptr(size), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	return p, os.NewSyscallError("mmap", err)
}

func (mmapSystem) commit(p unsafe.Pointer, size uint64) error {
	// A mapping anew, not mprotect: without MAP_NORESERVE it is charged as commit
	// now, so that it is refused here and not killed for when it is touched.
	_, err := unix.MmapPtr(-1, 0, p, uintptr(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_FIXED)
	return os.NewSyscallError("mmap", err)
}

func (mmapSystem) mapFile(p unsafe.Pointer, size uint64, f *os.File, offset int64) error {
	_, err := unix.MmapPtr(int(f.Fd()), offset, p, uintptr(size), unix.PROT_READ, unix.MAP_SHARED|unix.MAP_FIXED)
	return os.NewSyscallError("mmap", err)
}

func (mmapSystem) alias(p unsafe.Pointer, size uint64, m *os.File) error {
	_, err := unix.MmapPtr(int(m.Fd()), 0, p, uintptr(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_FIXED)
	return os.NewSyscallError("mmap", err)
}

func (mmapSystem) release(p unsafe.Pointer, size uint64, _ bool) error {
	return os.NewSyscallError("munmap", unix.MunmapPtr(p, uintptr(size)))
}
