package space

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Huge asks for transparent huge pages. Filling memory then costs a fraction, as the
// page faults are most of it, and so does using it, as its addresses are found sooner.
func (mmapSystem) Huge(p unsafe.Pointer, size uint64) {
	_ = unix.Madvise(BytesAt(p, size), unix.MADV_HUGEPAGE)
}
