package loader

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Evict takes a piece of a file out of memory: its pages out of the mapping first, as the
// page cache keeps what is mapped.
func Evict(f *os.File, p unsafe.Pointer, offset int64, size uint64) {
	_ = unix.Madvise(bytesAt(p, size), unix.MADV_DONTNEED) // of a mapping of ours it does not fail
	forget(f, offset, size)
}
