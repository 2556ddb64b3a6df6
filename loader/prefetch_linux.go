package loader

import (
	"context"
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// prefetchPiece is how much is read ahead between two looks at the context.
const prefetchPiece = 16 << 20

// prefetch reads a mapped piece of a file into memory and enters its pages, so that
// the first use neither waits for the disk nor faults.
func prefetch(ctx context.Context, f *os.File, p unsafe.Pointer, offset int64, size uint64) error {
	for off := uint64(0); off < size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(prefetchPiece, size-off)
		// The disk is kept busy with the piece after this one.
		advise(f, offset+int64(off), 2*n)
		switch err := unix.Madvise(bytesAt(at(p, off), n), unix.MADV_POPULATE_READ); {
		case err == nil:
			off += n
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
		case errors.Is(err, unix.EINVAL):
			return readAhead(ctx, f, offset+int64(off), size-off) // before Linux 5.14
		case errors.Is(err, unix.EFAULT):
			// No page is there: the file was cut short, which the caller finds.
			return nil
		case errors.Is(err, unix.ENOMEM):
			return refused(mapping, PurposeWeights, n, os.NewSyscallError("madvise", err))
		default:
			return os.NewSyscallError("madvise", err)
		}
	}
	return nil
}

// advise tells the system what will be read soon.
func advise(f *os.File, offset int64, size uint64) {
	if c, err := f.SyscallConn(); err == nil {
		_ = c.Control(func(fd uintptr) { _ = unix.Fadvise(int(fd), offset, int64(size), unix.FADV_WILLNEED) })
	}
}
