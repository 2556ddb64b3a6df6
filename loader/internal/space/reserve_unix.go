//go:build unix

package space

import (
	"errors"
	"io"
	"os"
	"sync"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/files"
	"golang.org/x/sys/unix"
)

// Granularity is the page size.
var Granularity = sync.OnceValue(func() uint64 { return uint64(os.Getpagesize()) })

// Guards returns the size of the guard pages of a reservation: one before it, because the system may
// place other mappings there, and one behind it.
func Guards() uint64 { return 2 * Granularity() }

// LargePage is what one entry of a page directory maps, in bytes.
const LargePage = 2 << 20

// mmapSystem implements System by mmap(2).
type mmapSystem struct{}

// RealSystem is the operating system.
var RealSystem System = mmapSystem{}

// Reserve maps pages without access. These are never charged as commit, so MAP_NORESERVE is not
// needed. It would do harm: its pages are not charged when they become writable either, and a
// refusal would be a signal at the first touch.
func (mmapSystem) Reserve(size uint64, _ bool, phase uint64) (unsafe.Pointer, error) {
	take := func(hint unsafe.Pointer) (unsafe.Pointer, error) {
		p, err := unix.MmapPtr(-1, 0, hint, uintptr(size+Guards()), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
		return p, os.NewSyscallError("mmap", err)
	}
	p, err := take(nil)
	if err != nil {
		return nil, err
	}
	for tries := range 12 {
		below := (uint64(uintptr(p)) + Granularity() - phase) % LargePage
		if below == 0 || size < LargePage {
			break
		}
		// Linux allocates addresses downwards, so there is mostly space below, at the latest below what
		// lies there: the steps double. Releasing the first choice keeps the addresses in use at the
		// requested size.
		if err := unix.MunmapPtr(p, uintptr(size+Guards())); err != nil {
			return nil, os.NewSyscallError("munmap", err)
		}
		if p, err = take(At(p, -int64(below)-(1<<tries-1)*int64(LargePage))); err != nil {
			return nil, err
		}
	}
	return At(p, Granularity()), nil
}

// Commit makes pages accessible by mprotect. A new mapping with MAP_FIXED could leave a hole if it
// fails, which other mappings could take before the next attempt.
func (mmapSystem) Commit(p unsafe.Pointer, size uint64) error {
	return os.NewSyscallError("mprotect", unix.Mprotect(BytesAt(p, size), unix.PROT_READ|unix.PROT_WRITE))
}

func (s mmapSystem) MapFile(p unsafe.Pointer, size uint64, f *os.File, offset int64) error {
	return s.fixed(p, size, f, offset, unix.PROT_READ)
}

func (mmapSystem) Share(size uint64) (io.Closer, error) {
	f, err := sharedFile()
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(int64(size)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (s mmapSystem) Alias(p unsafe.Pointer, size uint64, m io.Closer) error {
	return s.fixed(p, size, m.(*os.File), 0, unix.PROT_READ|unix.PROT_WRITE)
}

func (mmapSystem) fixed(p unsafe.Pointer, size uint64, f *os.File, offset int64, prot int) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var e error
	if err := c.Control(func(fd uintptr) {
		_, e = unix.MmapPtr(int(fd), offset, p, uintptr(size), prot, unix.MAP_SHARED|unix.MAP_FIXED)
		if e != nil {
			// A failed MAP_FIXED may have unmapped the old mapping. Close the hole, or Release would
			// later unmap what another thread maps there.
			_, _ = unix.MmapPtr(-1, 0, p, uintptr(size), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_FIXED)
		}
	}); err != nil {
		return files.ErrClosed // the only error of Control
	}
	return os.NewSyscallError("mmap", e)
}

func (mmapSystem) Release(p unsafe.Pointer, size uint64, _ bool) error {
	return os.NewSyscallError("munmap", unix.MunmapPtr(At(p, -int64(Granularity())), uintptr(size+Guards())))
}

// LacksMemory reports whether the system refused for lack of memory or addresses.
func LacksMemory(err error) bool { return errors.Is(err, unix.ENOMEM) || errors.Is(err, unix.EAGAIN) }
