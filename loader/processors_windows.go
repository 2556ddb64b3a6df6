package loader

import (
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

var getSystemTimes = windows.NewLazySystemDLL("kernel32.dll").NewProc("GetSystemTimes")

// ProcessorLimit is false: limits of job objects are not read.
func ProcessorLimit() (float64, bool) { return 0, false }

// ReadProcessorTime reads it; false where the system does not tell.
func ReadProcessorTime() (ProcessorTime, bool) {
	var idle, created, exited, kernel, user windows.Filetime
	if getSystemTimes.Find() != nil {
		return ProcessorTime{}, false
	}
	if ok, _, _ := getSystemTimes.Call(uintptr(unsafe.Pointer(&idle)), 0, 0); ok == 0 {
		return ProcessorTime{}, false
	}
	if windows.GetProcessTimes(windows.CurrentProcess(), &created, &exited, &kernel, &user) != nil {
		return ProcessorTime{}, false
	}
	return ProcessorTime{Idle: length(idle), Own: length(kernel) + length(user)}, true
}

// length is a time span that the system counts in 100 ns.
func length(t windows.Filetime) time.Duration {
	return time.Duration(uint64(t.HighDateTime)<<32|uint64(t.LowDateTime)) * 100
}

// ReadRunnable is false: this system does not tell.
func ReadRunnable() (Runnable, bool) { return Runnable{}, false }
