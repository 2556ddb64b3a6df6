package files

import "sync"

// Progress is told how many of how many bytes are done. It is called by one goroutine
// at a time; done never falls, and is total once at the end.
type Progress func(done, total uint64)

// Tally adds up progress.
type Tally struct {
	mu          sync.Mutex
	done, Total uint64
	Report      Progress
}

// Add enters n bytes more.
func (t *Tally) Add(n uint64) {
	if n == 0 || t.Report == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done += n
	t.Report(t.done, t.Total)
}
