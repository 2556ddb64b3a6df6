package memory

import (
	"context"
	"os"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/kernel32"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"golang.org/x/sys/windows"
)

var procPrefetch = kernel32.DLL.NewProc("PrefetchVirtualMemory")

// memoryRangeEntry is WIN32_MEMORY_RANGE_ENTRY.
type memoryRangeEntry struct {
	address unsafe.Pointer
	bytes   uintptr
}

// prefetchPiece is how many bytes are read between two checks of the context.
const prefetchPiece = 16 << 20

// Prefetch reads a mapped file range into memory by PrefetchVirtualMemory (Windows 8), which makes
// large requests and leaves the pages on the standby list, so that the first use does not
// read. If that fails, it reads the file.
func Prefetch(ctx context.Context, f *os.File, p unsafe.Pointer, offset int64, size uint64) error {
	for off := uint64(0); off < size; off += prefetchPiece {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(prefetchPiece, size-off)
		if !prefetchVirtual(space.At(p, off), n) {
			return readAhead(ctx, f, offset+int64(off), size-off)
		}
	}
	return nil
}

func prefetchVirtual(p unsafe.Pointer, size uint64) bool {
	if procPrefetch.Find() != nil {
		return false
	}
	e := memoryRangeEntry{p, uintptr(size)}
	r, _, _ := procPrefetch.Call(uintptr(windows.CurrentProcess()), 1, uintptr(unsafe.Pointer(&e)), 0)
	return r != 0
}

// UsedByPages does nothing: read-ahead is the system's.
func UsedByPages(unsafe.Pointer, uint64) {}

// PrefetchExactly is [Prefetch] on this system.
func PrefetchExactly(ctx context.Context, f *os.File, p unsafe.Pointer, offset int64, size uint64) error {
	return Prefetch(ctx, f, p, offset, size)
}
