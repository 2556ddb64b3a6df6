package memory

import (
	"unsafe"

	"github.com/seed7adf6694/infer/internal/kernel32"
)

var procDiscard = kernel32.DLL.NewProc("DiscardVirtualMemory")

// Discard gives the pages of private memory back, in whole units. What it reads as then is not
// known, and it takes pages again when it is written to.
func Discard(p unsafe.Pointer, size uint64) {
	if procDiscard.Find() == nil { // since Windows 8.1
		_, _, _ = procDiscard.Call(uintptr(p), uintptr(size))
	}
}
