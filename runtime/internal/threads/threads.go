// Package threads decides how many threads evaluations compute with: the cores that there
// are ([Default]), a [Budget] that all sessions of the process share, and a [Tuner] for each
// kind of evaluations of a model, which goes by what they take and what other processes leave.
// It starts no thread and knows no engine.
package threads

import (
	"math"
	"runtime"
	"sync"

	"github.com/seed7adf6694/infer/loader/probe"
)

// Most is the engine's limit.
const Most = 512

// Default is how many threads the sessions of the process compute with together, where they
// are not told: one for each core that it may use, and no more than control groups allow.
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

// cores is the number of cores of the fast kind; 0 where the system does not say.
var cores = sync.OnceValue(countCores)

// quota is the processors' time that control groups allow, in processors.
var quota = sync.OnceValues(probe.ProcessorLimit)
