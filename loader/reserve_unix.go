//go:build unix

package loader

import (
	"errors"
	"io"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// granularity is the unit of mappings: the page size.
var granularity = sync.OnceValue(func() uint64 { return uint64(os.Getpagesize()) })

// guards is what the guards of a reservation take: a page before it, because the
// system puts others' mappings there too, and a page behind it.
func guards() uint64 { return 2 * granularity() }

// largePage is what one entry of a page directory maps.
const largePage = 2 << 20

// mmapSystem is the system's memory through mmap(2).
type mmapSystem struct{}

// realSystem is the memory that programs get.
var realSystem system = mmapSystem{}

// reserve maps pages without access. Such are never charged as commit, so
// MAP_NORESERVE is not needed, and would be harmful: pages of a mapping with it are
// not charged when they become writable either, and refusals would come as a signal
// when they are touched.
func (mmapSystem) reserve(size uint64, _ bool, phase uint64) (unsafe.Pointer, error) {
	take := func(hint unsafe.Pointer) (unsafe.Pointer, error) {
		p, err := unix.MmapPtr(-1, 0, hint, uintptr(size+guards()), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
		return p, os.NewSyscallError("mmap", err)
	}
	p, err := take(nil)
	if err != nil {
		return nil, err
	}
	for tries := range 8 {
		below := (uint64(uintptr(p)) + granularity() - phase) % largePage
		if below == 0 || size < largePage {
			break
		}
		// The system fills the address space downwards, so that there is mostly room a little
		// further down. To give back what it chose first keeps the addresses in use at the size
		// asked for.
		if err := unix.MunmapPtr(p, uintptr(size+guards())); err != nil {
			return nil, os.NewSyscallError("munmap", err)
		}
		if p, err = take(at(p, -int64(below)-int64(tries)*largePage)); err != nil {
			return nil, err
		}
	}
	return at(p, granularity()), nil
}

// commit makes pages accessible. Unlike mapping them anew with MAP_FIXED, which may
// leave a hole where it fails, mprotect leaves the reservation whole: others' mappings
// can't get into it before the next try.
func (mmapSystem) commit(p unsafe.Pointer, size uint64) error {
	return os.NewSyscallError("mprotect", unix.Mprotect(bytesAt(p, size), unix.PROT_READ|unix.PROT_WRITE))
}

func (s mmapSystem) mapFile(p unsafe.Pointer, size uint64, f *os.File, offset int64) error {
	return s.fixed(p, size, f, offset, unix.PROT_READ)
}

func (mmapSystem) share(size uint64) (io.Closer, error) {
	f, err := sharedFile()
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(int64(size)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (s mmapSystem) alias(p unsafe.Pointer, size uint64, m io.Closer) error {
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
		return ErrClosed // which is all that Control refuses for
	}
	return os.NewSyscallError("mmap", e)
}

func (mmapSystem) release(p unsafe.Pointer, size uint64, _ bool) error {
	return os.NewSyscallError("munmap", unix.MunmapPtr(at(p, -int64(granularity())), uintptr(size+guards())))
}

// lacksMemory tells whether the system refused for want of memory or addresses.
func lacksMemory(err error) bool { return errors.Is(err, unix.ENOMEM) || errors.Is(err, unix.EAGAIN) }
