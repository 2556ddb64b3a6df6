package probe

import "time"

// ProcessorTime is what the processors that this process may use have done, since some
// moment in the past: two of them tell what was done between.
type ProcessorTime struct {
	// Idle is the sum over the processors of the time in which they had nothing to do;
	// negative where the system does not tell.
	Idle time.Duration
	// Own is the time that they computed for this process.
	Own time.Duration
}

// Runnable is how many threads of the whole system compute or wait for a processor at this
// moment, how many of them are this process's own, and on how many processors, all of which
// this process may use.
type Runnable struct{ Threads, Own, Processors int }
