package loader

import "sync"

// Progress is told how many of how many bytes are done. It is called by one goroutine
// at a time; done never falls, and is total once at the end.
type Progress func(done, total uint64)

// tally adds up progress.
type tally struct {
	mu          sync.Mutex
	done, total uint64
	report      Progress
}

// add enters n bytes more.
func (t *tally) add(n uint64) {
	if n == 0 || t.report == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done += n
	t.report(t.done, t.total)
}
