// Package threads chooses the number of threads for evaluations: [Default] counts cores, a
// [Budget] is shared by all sessions of the process, and a [Tuner] for each kind of evaluation
// of a model adapts the number to measured durations and the load by other processes. The
// package starts no threads and does not depend on the engine.
package threads

import (
	"math"
	"runtime"
	"sync"

	"github.com/seed7adf6694/infer/loader/probe"
)

// Most is the engine's largest number of threads.
const Most = 512

// Default returns how many threads the sessions of the process share by default: one for each
// core that it may use, within GOMAXPROCS and the CPU quota of control groups.
func Default() int {
	n := min(runtime.GOMAXPROCS(0), Most)
	if c := cores(); c > 0 {
		n = min(n, c)
	}
	if limit, ok := quota(); ok {
		n = min(n, int(math.Ceil(limit)))
	}
	return max(n, 1)
}

// cores returns the number of performance cores; 0 if the system does not tell.
var cores = sync.OnceValue(countCores)

// quota returns the CPU quota of control groups, in processors.
var quota = sync.OnceValues(probe.ProcessorLimit)
