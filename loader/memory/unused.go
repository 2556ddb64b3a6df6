package memory

import "sync"

// private are the process's reservations that hold private memory.
var private = struct {
	mu           sync.Mutex
	reservations map[*reservation]struct{}
}{reservations: map[*reservation]struct{}{}}

// Unused returns how many bytes of private memory of all arenas of this process are committed but
// not touched, 0 on systems other than Linux. The system allocates pages when they are touched, so
// memory that is available now has to cover them too. Blocks of pools do not count.
func Unused() uint64 {
	private.mu.Lock()
	defer private.mu.Unlock()
	n := uint64(0)
	for s := range private.reservations {
		n += untouched(s.base, s.size)
	}
	return n
}

// track makes Unused count a reservation that has been committed and not touched.
func (s *reservation) track() {
	private.mu.Lock()
	defer private.mu.Unlock()
	private.reservations[s] = struct{}{}
}

// untrack reverses track; it does nothing without it.
func (s *reservation) untrack() {
	private.mu.Lock()
	defer private.mu.Unlock()
	delete(private.reservations, s)
}
