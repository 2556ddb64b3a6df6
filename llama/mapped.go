//go:build cgo

package llama

// #include "shim_mapped.h"
import "C"

import (
	"sync"
	"unsafe"
)

// Mapped is a range of a mapped file that the engine reads. Pages that the system cannot read,
// because the file was truncated or its disk fails, are replaced by zeros instead of ending the
// process: check Lost after each computation. It is safe for concurrent use.
//
// The first Mapped installs a handler for SIGBUS, on Windows for exceptions, in front of Go's
// handler, which gets all other faults. On Windows a part of a view cannot be replaced: the whole
// view is replaced by a reservation of its size, which must be freed by VirtualFree. A fault in Go
// code still ends the process.
type Mapped struct {
	mu   sync.Mutex
	c    *C.infer_mapped
	lost uint64 // value of Lost at Close
}

// WatchMapped protects size bytes at p until Close. Call Close before the range is unmapped. If
// memory for the entry is refused, the range is not protected.
func WatchMapped(p unsafe.Pointer, size uint64) *Mapped {
	return &Mapped{c: C.infer_mapped_new(p, C.size_t(size))}
}

// Lost returns the number of bytes that were replaced by zeros.
func (m *Mapped) Lost() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.c == nil {
		return m.lost
	}
	return uint64(C.infer_mapped_lost(m.c))
}

// Close ends the protection. Closing twice is safe.
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
