package files

import "sync"

// Progress is called with the bytes done and their total, by one goroutine at a time. done never
// decreases; the last call after success has done equal to total.
type Progress func(done, total uint64)

// Tally adds up progress.
type Tally struct {
	mu          sync.Mutex
	done, Total uint64
	Report      Progress
}

// Add adds n bytes.
func (t *Tally) Add(n uint64) {
	if n == 0 || t.Report == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done += n
	t.Report(t.done, t.Total)
}
