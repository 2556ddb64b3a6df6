package runtime

import (
	"runtime"
	"sync"
)

// mostThreads is the engine's limit.
const mostThreads = 512

// DefaultThreads is how many threads a session computes with where it is not told: one for
// each core that the process may use, of the fast kind where there are two kinds, and none
// for a core's second hardware thread, as llama.cpp counts. The engine's threads wait for
// each other many times in a token, so that more of them are slower. Control groups that
// limit the processors' time lower it ([runtime.GOMAXPROCS]).
func DefaultThreads() int {
	n := min(runtime.GOMAXPROCS(0), mostThreads)
	if c := cores(); c > 0 {
		n = min(n, c)
	}
	return n
}

// cores is the number of cores as above; 0 where the system does not say.
var cores = sync.OnceValue(countCores)
