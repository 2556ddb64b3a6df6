package system

import (
	"errors"
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/seed7adf6694/infer/internal/memtest"
)

// directReader reads with O_DIRECT, which needs whole blocks at aligned addresses.
type directReader struct {
	f      *os.File
	mapped []byte
	block  []byte
}

// hugePage is the size of a huge page, which one disk request can fill.
const hugePage = 2 << 20

// OpenBlocks opens a file for reading in blocks of the given size, in bytes.
func OpenBlocks(path string, block int) (Blocks, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECT, 0)
	if err != nil {
		if errors.Is(err, unix.EINVAL) {
			err = &memtest.Unsupported{Tool: "disk", Missing: "the file system of " + path + " does not read past the page cache (O_DIRECT)", Err: err}
		}
		return nil, err
	}
	b, err := unix.Mmap(-1, 0, block+hugePage, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		f.Close()
		return nil, os.NewSyscallError("mmap", err)
	}
	// Read into huge pages that are already resident, as streaming does. With small pages the
	// kernel splits the read into small requests, which is slower.
	_ = unix.Madvise(b, unix.MADV_HUGEPAGE)
	off := -int(uintptr(unsafe.Pointer(&b[0]))) & (hugePage - 1)
	r := &directReader{f, b, b[off : off+block]}
	for i := 0; i < block; i += os.Getpagesize() {
		r.block[i] = 1
	}
	return r, nil
}

func (r *directReader) Read(offset int64) (int, error) {
	n, err := unix.Pread(int(r.f.Fd()), r.block, offset)
	switch {
	case err != nil:
		return 0, os.NewSyscallError("pread", err)
	case n == 0:
		return 0, io.ErrUnexpectedEOF
	}
	return n, nil
}

func (r *directReader) Close() {
	_ = unix.Munmap(r.mapped) // freed when the process ends
	r.f.Close()
}
