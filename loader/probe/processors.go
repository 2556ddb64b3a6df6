package probe

import "time"

// ProcessorTime are counters of the processors that this process may use, since some moment in the
// past. Subtract two values to get the time between them.
type ProcessorTime struct {
	// Idle is the idle time, summed over the processors; negative if unknown.
	Idle time.Duration
	// Own is the processor time of this process.
	Own time.Duration
}

// Runnable is the number of threads of the whole system that run or wait for a processor now, how
// many of them belong to this process, and the number of processors, all of which this process
// may use.
type Runnable struct{ Threads, Own, Processors int }
