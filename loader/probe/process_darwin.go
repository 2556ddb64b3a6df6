package probe

import (
	"os"

	"golang.org/x/sys/unix"
)

// ProcessMemory returns only the peak of this process's memory: the rest needs Mach calls and thus
// cgo.
func ProcessMemory() (Process, error) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return Process{}, os.NewSyscallError("getrusage", err)
	}
	return Process{PeakRSS: uint64(u.Maxrss)}, nil
}
