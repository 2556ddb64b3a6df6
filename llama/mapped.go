//go:build cgo

package llama

// #include "shim_mapped.h"
import "C"

import (
	"sync"
	"unsafe"
)

// Mapped is a piece of a mapped file that the engine reads. Pages of it that the system
// can't bring, because the file was cut short or its disk fails, are replaced by zeros
// rather than end the process: look at Lost after what has been computed. It is safe for
// concurrent use.
//
// To that end, the first one installs a handler for SIGBUS, on Windows for exceptions, in
// front of Go's, which gets what is not about such pieces. On Windows, where a part of a view
// can't be replaced, the whole of it is, by a reservation of its size: to be given back by
// VirtualFree. What Go's own code reads there ends the process as ever.
type Mapped struct {
	mu   sync.Mutex
	c    *C.infer_mapped
	lost uint64 // when it was closed
}

// WatchMapped begins to watch size bytes at p, until Close, which comes before they are
// unmapped. Without memory for the entry nothing is watched.
func WatchMapped(p unsafe.Pointer, size uint64) *Mapped {
	return &Mapped{c: C.infer_mapped_new(p, C.size_t(size))}
}

// Lost is how many bytes have been replaced.
func (m *Mapped) Lost() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.c == nil {
		return m.lost
	}
	return uint64(C.infer_mapped_lost(m.c))
}

// Close ends the watch. Closing twice is safe.
func (m *Mapped) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.c != nil {
		m.lost = uint64(C.infer_mapped_lost(m.c))
		C.infer_mapped_free(m.c)
		m.c = nil
	}
	return nil
}
