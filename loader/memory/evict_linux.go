package memory

import (
	"os"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"golang.org/x/sys/unix"
)

// Evict takes a piece of a file out of memory: its pages out of the mapping first, as the
// page cache keeps what is mapped.
func Evict(f *os.File, p unsafe.Pointer, offset int64, size uint64) {
	_ = unix.Madvise(space.BytesAt(p, size), unix.MADV_DONTNEED) // of a mapping of ours it does not fail
	files.Forget(f, offset, size)
}
