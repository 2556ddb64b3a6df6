package probe

import (
	"os"

	"golang.org/x/sys/unix"
)

// ProcessMemory reads the memory of this process: its peak alone, which is what can be
// had without Mach calls, and those need cgo.
func ProcessMemory() (Process, error) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return Process{}, os.NewSyscallError("getrusage", err)
	}
	return Process{PeakRSS: uint64(u.Maxrss)}, nil
}
