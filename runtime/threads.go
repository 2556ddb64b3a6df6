package runtime

import (
	"math"
	"runtime"
	"sync"

	"github.com/seed7adf6694/infer/loader/probe"
)

// mostThreads is the engine's limit.
const mostThreads = 512

// DefaultThreads is how many threads the sessions of the process compute with together,
// where they are not told: one for each core that the process may use, of the fast kind
// where there are two kinds, and none for a core's second hardware thread, as llama.cpp
// counts. The engine's threads wait for each other many times in a token, so that more of
// them are slower. Control groups that limit the processors' time lower it: to 2 where they
// allow 1.5 processors.
//
// How many of these a session computes with at a moment is chosen anew for each evaluation:
// see [SessionOptions].Threads.
func DefaultThreads() int {
	n := min(runtime.GOMAXPROCS(0), mostThreads)
	if c := cores(); c > 0 {
		n = min(n, c)
	}
	if limit, ok := quota(); ok {
		n = min(n, int(math.Ceil(limit)))
	}
	return max(n, 1)
}

// cores is the number of cores as above; 0 where the system does not say.
var cores = sync.OnceValue(countCores)

// quota is the processors' time that control groups allow, in processors.
var quota = sync.OnceValues(probe.ProcessorLimit)

// checkThreads refuses more threads than the process has processors for: each would wait
// for others that have no processor, and a token would take seconds.
func checkThreads(n int) error {
	if processors := runtime.NumCPU(); n > processors {
		return optionError("%d threads on the %d processors that this process may use, where they wait for each other: use as many or fewer, or 0 to have them chosen", n, processors)
	}
	return nil
}
