package memtest

import (
	"os"
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

// Touched returns how many bytes of the mapping b are in memory, in whole pages.
func Touched(b []byte) (uint64, error) {
	page := os.Getpagesize()
	in := make([]byte, (len(b)+page-1)/page)
	if err := mincore(b, in); err != nil {
		return 0, os.NewSyscallError("mincore", err)
	}
	var n uint64
	for _, v := range in {
		n += uint64(v&1) * uint64(page)
	}
	return n, nil
}
