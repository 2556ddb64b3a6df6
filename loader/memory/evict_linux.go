package memory

import (
	"os"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"golang.org/x/sys/unix"
)

// Evict removes a file range from the mapping and then from the page cache, which keeps pages that
// are mapped.
func Evict(f *os.File, p unsafe.Pointer, offset int64, size uint64) {
	Leave(p, size)
	files.Forget(f, offset, size)
}

// Leave removes pages of a file from the mapping. They stay in the page cache, and come back when they are
// read.
func Leave(p unsafe.Pointer, size uint64) {
	_ = unix.Madvise(space.BytesAt(p, size), unix.MADV_DONTNEED) // of a mapping of ours it does not fail
}
