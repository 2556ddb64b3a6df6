package memtest

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// mincore sets, for each page of the mapping b, the lowest bit of a byte of in if the page is in memory.
// in must have one byte per page.
func mincore(b, in []byte) error {
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), uintptr(unsafe.Pointer(&in[0])))
	if errno != 0 {
		return errno
	}
	return nil
}
