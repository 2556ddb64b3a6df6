package memtest

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// mincore says for each page of the mapping b, in the lowest bit of a byte of in,
// whether it is in memory. The kernel writes one byte a page, len(in) must be as much.
func mincore(b, in []byte) error {
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), uintptr(unsafe.Pointer(&in[0])))
	if errno != 0 {
		return errno
	}
	return nil
}
