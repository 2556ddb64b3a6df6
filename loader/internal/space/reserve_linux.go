package space

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Huge enables transparent huge pages: filling memory takes far fewer page faults, and using it far
// fewer TLB misses.
func (mmapSystem) Huge(p unsafe.Pointer, size uint64) {
	_ = unix.Madvise(BytesAt(p, size), unix.MADV_HUGEPAGE)
}
