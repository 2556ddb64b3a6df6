//go:build !linux && !windows

package memory

import (
	"context"
	"os"
	"unsafe"
)

// Prefetch reads a file range, which leaves it in the page cache where the mapping finds it.
func Prefetch(ctx context.Context, f *os.File, _ unsafe.Pointer, offset int64, size uint64) error {
	return readAhead(ctx, f, offset, size)
}

// UsedByPages does nothing: read-ahead is the system's.
func UsedByPages(unsafe.Pointer, uint64) {}

// PrefetchExactly is [Prefetch] on this system.
func PrefetchExactly(ctx context.Context, f *os.File, p unsafe.Pointer, offset int64, size uint64) error {
	return Prefetch(ctx, f, p, offset, size)
}
