package memory

import (
	"context"
	"errors"
	"os"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/probe"
	"golang.org/x/sys/unix"
)

// prefetchPiece is how many bytes are read between two checks of the context.
const prefetchPiece = 16 << 20

// PrefetchExactly is [Prefetch] without reading beyond the range, now or on later page faults. Large
// pages are used only inside the range: one that crosses its end could not be evicted
// separately.
func PrefetchExactly(ctx context.Context, f *os.File, p unsafe.Pointer, offset int64, size uint64) error {
	UsedByPages(p, size)
	head := min(uint64(-offset)%space.LargePage, size)
	tail := (size - head) % space.LargePage
	for _, edge := range []struct{ off, size uint64 }{{0, head}, {size - tail, tail}} {
		if edge.size > 0 {
			files.Advise(f, offset+int64(edge.off), edge.size, unix.FADV_WILLNEED) // in small pages
			if err := populate(ctx, f, space.At(p, edge.off), offset+int64(edge.off), edge.size); err != nil {
				return err
			}
		}
	}
	if head+tail == size {
		return nil
	}
	return Prefetch(ctx, f, space.At(p, head), offset+int64(head), size-head-tail)
}

// UsedByPages disables read-ahead for page faults in a mapping.
func UsedByPages(p unsafe.Pointer, size uint64) {
	_ = unix.Madvise(space.BytesAt(p, size), unix.MADV_RANDOM) // of a mapping of ours it does not fail
}

// Prefetch reads a mapped file range into the page cache and maps its pages, so that the first use
// neither reads nor faults. It uses large pages if the file system supports them, which also
// makes larger disk requests.
func Prefetch(ctx context.Context, f *os.File, p unsafe.Pointer, offset int64, size uint64) error {
	_ = unix.Madvise(space.BytesAt(p, size), unix.MADV_HUGEPAGE) // a wish
	return populate(ctx, f, p, offset, size)
}

func populate(ctx context.Context, f *os.File, p unsafe.Pointer, offset int64, size uint64) error {
	for off := uint64(0); off < size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(prefetchPiece, size-off)
		switch err := unix.Madvise(space.BytesAt(space.At(p, off), n), unix.MADV_POPULATE_READ); {
		case err == nil:
			off += n
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
		case errors.Is(err, unix.EINVAL):
			return readAhead(ctx, f, offset+int64(off), size-off) // before Linux 5.14
		case errors.Is(err, unix.EFAULT):
			// No page: the file was truncated, which the caller checks.
			return nil
		case errors.Is(err, unix.ENOMEM):
			return refused(probe.Mapping, PurposeWeights, n, os.NewSyscallError("madvise", err))
		default:
			return os.NewSyscallError("madvise", err)
		}
	}
	return nil
}
