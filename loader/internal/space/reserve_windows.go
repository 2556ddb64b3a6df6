package space

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/internal/kernel32"
	"golang.org/x/sys/windows"
)

// Granularity is the unit of reservations and views: 64 KiB on all versions of Windows so far.
var Granularity = sync.OnceValue(func() uint64 { return 64 << 10 })

const WindowsPage = 4096

// Guards returns the size of the guard page behind a reservation. None is needed before it: Windows
// does not merge neighbours, and leaves the addresses up to the next 64 KiB unused.
func Guards() uint64 { return WindowsPage }

// File ranges are mapped into reservations by means of placeholders, introduced with Windows 10
// version 1803. x/sys lacks these functions.
var (
	kernelBase        = windows.NewLazySystemDLL("kernelbase.dll")
	procVirtualAlloc2 = kernelBase.NewProc("VirtualAlloc2")
	procMapView3      = kernelBase.NewProc("MapViewOfFile3")
	procMapViewEx     = kernel32.DLL.NewProc("MapViewOfFileEx")
)

const (
	memReservePlaceholder  = 0x00040000
	memReplacePlaceholder  = 0x00004000
	memPreservePlaceholder = 0x00000002
)

// virtualSystem implements System by VirtualAlloc and views of files.
//
// Without placeholders, a reservation is released before a view is mapped at its address. If
// another thread takes the addresses in between, the error is [ErrLostAddresses]; retry elsewhere.
type virtualSystem struct {
	mu      sync.Mutex
	regions map[uintptr]*region // reservations for views
	old     bool                // the system has no placeholders
}

// region is a reservation for views.
type region struct {
	base, size uintptr // including the guard page
	old        bool    // no placeholders: free parts are plain reservations
	views      []view  // views and free parts; in ascending order with placeholders
}

// view is a part of a region: a mapped view, or a free placeholder or reservation.
type view struct {
	addr, size uintptr
	mapped     bool
}

// RealSystem is the operating system.
var RealSystem System = &virtualSystem{regions: map[uintptr]*region{}}

func (s *virtualSystem) Reserve(size uint64, views bool, _ uint64) (unsafe.Pointer, error) {
	n := uintptr(size + Guards())
	if !views {
		p, err := windows.VirtualAlloc(0, n, windows.MEM_RESERVE, windows.PAGE_NOACCESS)
		return Pointer(p), os.NewSyscallError("VirtualAlloc", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.old && procVirtualAlloc2.Find() == nil && procMapView3.Find() == nil {
		p, _, err := procVirtualAlloc2.Call(0, 0, n, windows.MEM_RESERVE|memReservePlaceholder, windows.PAGE_NOACCESS, 0, 0)
		switch {
		case p != 0:
			s.regions[p] = &region{base: p, size: n, views: []view{{p, n, false}}}
			return Pointer(p), nil
		case !errors.Is(err, windows.ERROR_INVALID_PARAMETER):
			return nil, os.NewSyscallError("VirtualAlloc2", err)
		}
	}
	s.old = true
	p, err := windows.VirtualAlloc(0, n, windows.MEM_RESERVE, windows.PAGE_NOACCESS)
	if err != nil {
		return nil, os.NewSyscallError("VirtualAlloc", err)
	}
	s.regions[p] = &region{base: p, size: n, old: true, views: []view{{p, n, false}}}
	return Pointer(p), nil
}

func (s *virtualSystem) Commit(p unsafe.Pointer, size uint64) error {
	_, err := windows.VirtualAlloc(uintptr(p), uintptr(size), windows.MEM_COMMIT, windows.PAGE_READWRITE)
	return os.NewSyscallError("VirtualAlloc", err)
}

// Huge does nothing: large pages need a privilege on Windows.
func (s *virtualSystem) Huge(unsafe.Pointer, uint64) {}

func (s *virtualSystem) MapFile(p unsafe.Pointer, size uint64, f *os.File, offset int64) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() <= offset {
		return files.ErrFileChanged
	}
	size = min(size, uint64(info.Size()-offset)) // a view must not extend past the end of its file
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var e error
	if err := c.Control(func(fd uintptr) {
		var h windows.Handle
		if h, e = windows.CreateFileMapping(windows.Handle(fd), nil, windows.PAGE_READONLY, 0, 0, nil); e != nil {
			e = os.NewSyscallError("CreateFileMapping", e)
			return
		}
		defer windows.CloseHandle(h) // the view keeps it
		e = s.mapView(uintptr(p), uintptr(size), h, offset, windows.PAGE_READONLY)
	}); err != nil {
		return files.ErrClosed // the only error of Control
	}
	return e
}

// section is shared memory, backed by the page file.
type section windows.Handle

func (h section) Close() error { return windows.CloseHandle(windows.Handle(h)) }

func (s *virtualSystem) Share(size uint64) (io.Closer, error) {
	h, err := windows.CreateFileMapping(windows.InvalidHandle, nil, windows.PAGE_READWRITE, uint32(size>>32), uint32(size), nil)
	if err != nil {
		return nil, os.NewSyscallError("CreateFileMapping", err)
	}
	return section(h), nil
}

func (s *virtualSystem) Alias(p unsafe.Pointer, size uint64, m io.Closer) error {
	return s.mapView(uintptr(p), uintptr(size), windows.Handle(m.(section)), 0, windows.PAGE_READWRITE)
}

// mapView maps a view into the region at p. MapViewOfFile requires that all bytes are within the
// file ("MapViewOfFileEx function", dwNumberOfBytesToMap), and fails with access denied for the
// rest of the last page; MapViewOfFile3 requires whole pages ("MapViewOfFile3 function",
// ViewSize), as placeholders are. If it accepts neither for the last page of a file, placeholders
// are not used from then on.
func (s *virtualSystem) mapView(p, size uintptr, h windows.Handle, offset int64, protect uint32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.regionOf(p, size)
	if r == nil {
		return fmt.Errorf("no reservation at %#x", p)
	}
	if r.old {
		return s.mapViewAt(r, p, size, h, offset, protect)
	}
	pages := uintptr(Pad(uint64(size), WindowsPage))
	i, err := r.split(p, pages)
	if err != nil {
		if errors.Is(err, windows.ERROR_INVALID_PARAMETER) {
			s.old = true // placeholders cannot be split: do without
			return ErrLostAddresses
		}
		return err
	}
	view3 := func(size uintptr) error {
		q, _, err := procMapView3.Call(uintptr(h), uintptr(windows.CurrentProcess()), p, uintptr(offset), size, memReplacePlaceholder, uintptr(protect), 0, 0)
		if q == 0 {
			return os.NewSyscallError("MapViewOfFile3", err)
		}
		return nil
	}
	err = view3(pages)
	if size != pages && err != nil && !LacksMemory(err) {
		if err = view3(size); err != nil && !LacksMemory(err) {
			s.old = true
			return ErrLostAddresses
		}
	}
	if err != nil {
		return err
	}
	r.views[i].mapped = true
	return nil
}

// mapViewAt is mapView without placeholders: it releases the reservation, maps the view, and
// reserves the remaining addresses on both sides again.
func (s *virtualSystem) mapViewAt(r *region, p, size uintptr, h windows.Handle, offset int64, protect uint32) error {
	i := r.free(p, size)
	if i < 0 {
		return ErrLostAddresses
	}
	v := r.views[i]
	if err := windows.VirtualFree(v.addr, 0, windows.MEM_RELEASE); err != nil {
		return os.NewSyscallError("VirtualFree", err)
	}
	r.views = slices.Delete(r.views, i, i+1)
	access := uint32(windows.FILE_MAP_READ)
	if protect == windows.PAGE_READWRITE {
		access |= windows.FILE_MAP_WRITE
	}
	q, _, err := procMapViewEx.Call(uintptr(h), uintptr(access), uintptr(uint64(offset)>>32), uintptr(uint32(offset)), size, p)
	if q == 0 {
		if errors.Is(err, windows.ERROR_INVALID_ADDRESS) {
			return ErrLostAddresses
		}
		return os.NewSyscallError("MapViewOfFileEx", err)
	}
	r.views = append(r.views, view{p, size, true})
	end := uintptr(Pad(uint64(p+size), Granularity())) // the granularity of reservations
	for _, rest := range []view{{v.addr, p - v.addr, false}, {end, v.addr + v.size - min(end, v.addr+v.size), false}} {
		if rest.size == 0 {
			continue
		}
		if at, err := windows.VirtualAlloc(rest.addr, rest.size, windows.MEM_RESERVE, windows.PAGE_NOACCESS); err != nil || at != rest.addr {
			return ErrLostAddresses
		}
		r.views = append(r.views, rest)
	}
	return nil
}

// free returns the index of the free part that contains a range, -1 if there is none.
func (r *region) free(p, size uintptr) int {
	return slices.IndexFunc(r.views, func(v view) bool { return !v.mapped && p >= v.addr && p+size <= v.addr+v.size })
}

func (s *virtualSystem) regionOf(p, size uintptr) *region {
	for base, r := range s.regions {
		if p >= base && p+size <= base+r.size {
			return r
		}
	}
	return nil
}

// split makes [p, p+size) a placeholder of its own and returns its index.
func (r *region) split(p, size uintptr) (int, error) {
	for i, v := range r.views {
		if v.mapped || p < v.addr || p+size > v.addr+v.size {
			continue
		}
		if p == v.addr && size == v.size {
			return i, nil
		}
		if err := windows.VirtualFree(p, size, windows.MEM_RELEASE|memPreservePlaceholder); err != nil {
			return 0, os.NewSyscallError("VirtualFree", err)
		}
		parts := append([]view{}, r.views[:i]...)
		if p > v.addr {
			parts = append(parts, view{v.addr, p - v.addr, false})
		}
		at := len(parts)
		parts = append(parts, view{p, size, false})
		if end := v.addr + v.size; p+size < end {
			parts = append(parts, view{p + size, end - p - size, false})
		}
		r.views = append(parts, r.views[i+1:]...)
		return at, nil
	}
	return 0, fmt.Errorf("no free placeholder at %#x", p)
}

func (s *virtualSystem) Release(p unsafe.Pointer, _ uint64, views bool) error {
	if !views {
		return os.NewSyscallError("VirtualFree", windows.VirtualFree(uintptr(p), 0, windows.MEM_RELEASE))
	}
	s.mu.Lock()
	r := s.regions[uintptr(p)]
	delete(s.regions, uintptr(p))
	s.mu.Unlock()
	if r == nil {
		return nil
	}
	var errs []error
	for _, v := range r.views {
		if v.mapped {
			err := windows.UnmapViewOfFile(v.addr)
			// A view whose file can no longer be read has been replaced by a reservation: see
			// llama.Mapped.
			if err != nil && windows.VirtualFree(v.addr, 0, windows.MEM_RELEASE) == nil {
				err = nil
			}
			errs = append(errs, os.NewSyscallError("UnmapViewOfFile", err))
		} else {
			errs = append(errs, os.NewSyscallError("VirtualFree", windows.VirtualFree(v.addr, 0, windows.MEM_RELEASE)))
		}
	}
	return errors.Join(errs...)
}

// Pointer converts an address of the system's to a pointer. The indirection avoids vet's warning,
// which is about pointers into Go's heap.
func Pointer(addr uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&addr)) }

// LacksMemory reports whether the system refused for lack of memory or addresses.
func LacksMemory(err error) bool {
	for _, e := range []error{
		windows.ERROR_NOT_ENOUGH_MEMORY, windows.ERROR_OUTOFMEMORY, windows.ERROR_COMMITMENT_LIMIT, windows.ERROR_NO_SYSTEM_RESOURCES,
		windows.ERROR_WORKING_SET_QUOTA, windows.ERROR_PAGEFILE_QUOTA, windows.ERROR_NOT_ENOUGH_QUOTA, ErrLostAddresses,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
