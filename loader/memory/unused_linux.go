package memory

import (
	"unsafe"

	"github.com/seed7adf6694/infer/loader/internal/space"
	"golang.org/x/sys/unix"
)

// untouched returns how many bytes of a mapping are not resident.
func untouched(p unsafe.Pointer, size uint64) uint64 {
	const step = 256 << 20
	var there [step >> 12]byte // one for each page, which has 4 KiB or more
	n := uint64(0)
	for off := uint64(0); off < size; off += step {
		length := min(step, size-off)
		pages := there[:(length+space.Granularity()-1)/space.Granularity()]
		_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(space.At(p, off)), uintptr(length), uintptr(unsafe.Pointer(&pages[0])))
		if errno != 0 {
			continue
		}
		for _, b := range pages {
			if b&1 == 0 {
				n += space.Granularity()
			}
		}
	}
	return n
}
