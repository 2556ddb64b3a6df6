package memory

import (
	"unsafe"

	"github.com/seed7adf6694/infer/loader/internal/space"
	"golang.org/x/sys/unix"
)

// Discard gives the pages of private memory back, in whole units. It reads as zeros then, and takes
// pages again when it is written to.
func Discard(p unsafe.Pointer, size uint64) {
	_ = unix.Madvise(space.BytesAt(p, size), unix.MADV_DONTNEED) // of memory of ours it does not fail
}
