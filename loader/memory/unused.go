package memory

import "sync"

// private are the spans of this process that have been filled with private memory.
var private = struct {
	mu    sync.Mutex
	spans map[*span]struct{}
}{spans: map[*span]struct{}{}}

// Unused returns how much of the private memory of all arenas of this process has been
// granted and not been used since, in bytes; 0 on systems that do not tell (all but Linux).
// The system takes pages for it when that happens: what is available now has to do for it,
// too. Blocks of pools do not count.
func Unused() uint64 {
	private.mu.Lock()
	defer private.mu.Unlock()
	n := uint64(0)
	for s := range private.spans {
		n += untouched(s.base, s.size)
	}
	return n
}

// enlist makes a span count, which is filled and has not been used.
func (s *span) enlist() {
	private.mu.Lock()
	defer private.mu.Unlock()
	private.spans[s] = struct{}{}
}

// strike is the inverse of enlist, and needs none before.
func (s *span) strike() {
	private.mu.Lock()
	defer private.mu.Unlock()
	delete(private.spans, s)
}
