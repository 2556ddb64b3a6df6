//go:build !linux && !windows

package probe

import (
	"time"

	"golang.org/x/sys/unix"
)

// ProcessorLimit returns false: this system has no such limits.
func ProcessorLimit() (float64, bool) { return 0, false }

// ReadProcessorTime returns the process's own time, which needs no C library.
func ReadProcessorTime() (ProcessorTime, bool) {
	var use unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &use) != nil {
		return ProcessorTime{}, false
	}
	return ProcessorTime{Idle: -1, Own: time.Duration(use.Utime.Nano() + use.Stime.Nano())}, true
}

// ReadRunnable returns false: this system does not provide it.
func ReadRunnable() (Runnable, bool) { return Runnable{}, false }
