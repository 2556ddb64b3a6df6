//go:build !linux && !windows

package loader

import (
	"context"
	"os"
	"unsafe"
)

// prefetch reads a mapped piece of a file, which leaves it in the system's cache where
// the mapping finds it.
func prefetch(ctx context.Context, f *os.File, _ unsafe.Pointer, offset int64, size uint64) error {
	return readAhead(ctx, f, offset, size)
}

// usedByPages leaves reading ahead to the system.
func usedByPages(unsafe.Pointer, uint64) {}

func prefetchExactly(ctx context.Context, f *os.File, p unsafe.Pointer, offset int64, size uint64) error {
	return prefetch(ctx, f, p, offset, size)
}
