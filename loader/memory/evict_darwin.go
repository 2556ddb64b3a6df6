package memory

import (
	"os"
	"unsafe"

	"github.com/seed7adf6694/infer/loader/internal/space"
	"golang.org/x/sys/unix"
)

// Evict releases the pages of a mapping; the system has no call to evict its file cache.
func Evict(_ *os.File, p unsafe.Pointer, _ int64, size uint64) {
	Leave(p, size)
}

// Leave removes pages of a file from the mapping. They stay in the system's file cache.
func Leave(p unsafe.Pointer, size uint64) {
	_ = unix.Madvise(space.BytesAt(p, size), unix.MADV_DONTNEED)
}
