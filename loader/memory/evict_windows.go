package memory

import (
	"os"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/kernel32"
)

var procVirtualUnlock = kernel32.DLL.NewProc("VirtualUnlock")

// Evict takes pages out of the working set: that is what VirtualUnlock does with pages
// that are not locked, and says that it failed. The system keeps them as standby.
func Evict(_ *os.File, p unsafe.Pointer, _ int64, size uint64) {
	_, _, _ = procVirtualUnlock.Call(uintptr(p), uintptr(size))
}
