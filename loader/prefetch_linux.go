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

// prefetch reads a mapped chunk and enters its pages, so that the first use does not
// fault. The kernel is first told about the whole chunk, to keep the disk busy.
func prefetch(ctx context.Context, p unsafe.Pointer, c Chunk, f *os.File) error {
	_ = unix.Fadvise(int(f.Fd()), c.Offset, int64(c.Size), unix.FADV_WILLNEED)
	for off := uint64(0); off < c.Size; off += prefetchPiece {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := unix.Madvise(bytesAt(at(p, off), min(prefetchPiece, c.Size-off)), unix.MADV_POPULATE_READ)
		switch {
		case err == nil:
		case errors.Is(err, unix.EFAULT):
			return nil // behind the file's end: its last page is the chunk's end
		case errors.Is(err, unix.EINVAL):
			return nil // before Linux 5.14: the advice above must do
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
			off -= prefetchPiece
		case errors.Is(err, unix.ENOMEM), errors.Is(err, unix.EHWPOISON):
			return os.NewSyscallError("madvise", err)
		default:
			return nil // reading ahead is an advice
		}
	}
	return nil
}
