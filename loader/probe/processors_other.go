//go:build !linux && !windows

package probe

import (
	"time"

	"golang.org/x/sys/unix"
)

// ProcessorLimit is false: this system has no such limits.
func ProcessorLimit() (float64, bool) { return 0, false }

// ReadProcessorTime reads what can be had without a C library: the process's own time.
func ReadProcessorTime() (ProcessorTime, bool) {
	var use unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &use) != nil {
		return ProcessorTime{}, false
	}
	return ProcessorTime{Idle: -1, Own: time.Duration(use.Utime.Nano() + use.Stime.Nano())}, true
}

// ReadRunnable is false: this system does not tell.
func ReadRunnable() (Runnable, bool) { return Runnable{}, false }
