//go:build !linux && !windows

package loader

// ProcessorLimit is false: this system has no such limits.
func ProcessorLimit() (float64, bool) { return 0, false }

// ReadProcessorTime is false: it is not read on this system.
func ReadProcessorTime() (ProcessorTime, bool) { return ProcessorTime{}, false }
