package memory

import (
	"os"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/kernel32"
)

var procVirtualUnlock = kernel32.DLL.NewProc("VirtualUnlock")

// Evict removes pages from the working set: VirtualUnlock does that for pages that are not locked
// (and reports an error). The system keeps them on the standby list.
func Evict(_ *os.File, p unsafe.Pointer, _ int64, size uint64) {
	Leave(p, size)
}

// Leave removes pages of a file from the working set, as Evict does.
func Leave(p unsafe.Pointer, size uint64) {
	_, _, _ = procVirtualUnlock.Call(uintptr(p), uintptr(size))
}
