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

// Granularity is the unit of mappings: the page size.
var Granularity = sync.OnceValue(func() uint64 { return uint64(os.Getpagesize()) })

// Guards is what the guards of a reservation take: a page before it, because the
// system puts others' mappings there too, and a page behind it.
func Guards() uint64 { return 2 * Granularity() }

// LargePage is what one entry of a page directory maps.
const LargePage = 2 << 20

// mmapSystem is the system's memory through mmap(2).
type mmapSystem struct{}

// RealSystem is the memory that programs get.
var RealSystem System = mmapSystem{}

// Reserve maps pages without access. Such are never charged as commit, so
// MAP_NORESERVE is not needed, and would be harmful: pages of a mapping with it are
// not charged when they become writable either, and refusals would come as a signal
// when they are touched.
func (mmapSystem) Reserve(size uint64, _ bool, phase uint64) (unsafe.Pointer, error) {
	take := func(hint unsafe.Pointer) (unsafe.Pointer, error) {
		p, err := unix.MmapPtr(-1, 0, hint, uintptr(size+Guards()), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
		return p, os.NewSyscallError("mmap", err)
	}
	p, err := take(nil)
	if err != nil {
		return nil, err
	}
	for tries := range 8 {
		below := (uint64(uintptr(p)) + Granularity() - phase) % LargePage
		if below == 0 || size < LargePage {
			break
		}
		// The system fills the address space downwards, so that there is mostly room a little
		// further down. To give back what it chose first keeps the addresses in use at the size
		// asked for.
		if err := unix.MunmapPtr(p, uintptr(size+Guards())); err != nil {
			return nil, os.NewSyscallError("munmap", err)
		}
		if p, err = take(At(p, -int64(below)-int64(tries)*LargePage)); err != nil {
			return nil, err
		}
	}
	return At(p, Granularity()), nil
}

// Commit makes pages accessible. Unlike mapping them anew with MAP_FIXED, which may
// leave a hole where it fails, mprotect leaves the reservation whole: others' mappings
// can't get into it before the next try.
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
			// The call may have unmapped what was there before it failed: close the
			// hole, or release would some day take down who moved in.
			_, _ = unix.MmapPtr(-1, 0, p, uintptr(size), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_FIXED)
		}
	}); err != nil {
		return files.ErrClosed // which is all that Control refuses for
	}
	return os.NewSyscallError("mmap", e)
}

func (mmapSystem) Release(p unsafe.Pointer, size uint64, _ bool) error {
	return os.NewSyscallError("munmap", unix.MunmapPtr(At(p, -int64(Granularity())), uintptr(size+Guards())))
}

// LacksMemory tells whether the system refused for want of memory or addresses.
func LacksMemory(err error) bool { return errors.Is(err, unix.ENOMEM) || errors.Is(err, unix.EAGAIN) }
