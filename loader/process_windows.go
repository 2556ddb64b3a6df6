package loader

import (
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

// memoryCounters is PROCESS_MEMORY_COUNTERS_EX.
type memoryCounters struct {
	cb, pageFaultCount                             uint32
	peakWorkingSet, workingSet                     uintptr
	quotaPeakPaged, quotaPaged                     uintptr
	quotaPeakNonPaged, quotaNonPaged               uintptr
	pagefileUsage, peakPagefileUsage, privateUsage uintptr
}

// ProcessMemory reads the memory of this process. Anon is what is committed privately,
// resident or not; the rest of the working set counts as files'.
func ProcessMemory() (Process, error) {
	c := memoryCounters{cb: uint32(unsafe.Sizeof(memoryCounters{}))}
	if r, _, err := procMemoryInfo.Call(uintptr(windows.CurrentProcess()), uintptr(unsafe.Pointer(&c)), unsafe.Sizeof(c)); r == 0 {
		return Process{}, os.NewSyscallError("GetProcessMemoryInfo", err)
	}
	p := Process{RSS: uint64(c.workingSet), Anon: uint64(c.privateUsage), PeakRSS: uint64(c.peakWorkingSet)}
	p.File = p.RSS - min(p.RSS, p.Anon)
	return p, nil
}
