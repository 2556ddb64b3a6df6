//go:build !linux && !windows

package memory

import (
	"context"
	"os"
	"unsafe"
)

// Prefetch reads a mapped piece of a file, which leaves it in the system's cache where
// the mapping finds it.
func Prefetch(ctx context.Context, f *os.File, _ unsafe.Pointer, offset int64, size uint64) error {
	return readAhead(ctx, f, offset, size)
}

// UsedByPages leaves reading ahead to the system.
func UsedByPages(unsafe.Pointer, uint64) {}

func PrefetchExactly(ctx context.Context, f *os.File, p unsafe.Pointer, offset int64, size uint64) error {
	return Prefetch(ctx, f, p, offset, size)
}
