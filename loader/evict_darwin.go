package loader

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// evict gives the pages of a mapping back; the system has no call for its file cache.
func evict(_ *os.File, p unsafe.Pointer, _ int64, size uint64) {
	_ = unix.Madvise(bytesAt(p, size), unix.MADV_DONTNEED)
}

// forget leaves the system's cache to the system, which has no call for it.
func forget(*os.File, int64, uint64) {}
