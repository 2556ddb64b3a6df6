package memory

import (
	"os"
	"unsafe"

	"github.com/seed7adf6694/infer/loader/internal/space"
	"golang.org/x/sys/unix"
)

// Evict releases the pages of a mapping; the system has no call to evict its file cache.
func Evict(_ *os.File, p unsafe.Pointer, _ int64, size uint64) {
	_ = unix.Madvise(space.BytesAt(p, size), unix.MADV_DONTNEED)
}
