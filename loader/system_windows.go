package loader

import (
	"fmt"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/windows"
)

// granularity is the unit of reservations and views: the allocation granularity, 64
// KiB on every Windows so far.
var granularity = sync.OnceValue(func() uint64 { return 64 << 10 })

const windowsPage = 4096

// Views are put into reservations by means of placeholders, which came with Windows
// 10 version 1803; x/sys does not have the functions.
var (
	kernelBase        = windows.NewLazySystemDLL("kernelbase.dll")
	procVirtualAlloc2 = kernelBase.NewProc("VirtualAlloc2")
	procMapView3      = kernelBase.NewProc("MapViewOfFile3")
)

const (
	memReservePlaceholder  = 0x00040000
	memReplacePlaceholder  = 0x00004000
	memPreservePlaceholder = 0x00000002
)

// virtualSystem is the system's memory through VirtualAlloc and views.
type virtualSystem struct {
	mu    sync.Mutex
	views map[uintptr][]view // by reservation
}

// view is a piece of a reservation for views: one in use, or a placeholder.
type view struct {
	addr, size uintptr
	mapped     bool
}

// realSystem is the memory that programs get.
var realSystem system = &virtualSystem{views: map[uintptr][]view{}}

func (s *virtualSystem) reserve(size uint64, views bool) (unsafe.Pointer, error) {
	if !views {
		p, err := windows.VirtualAlloc(0, uintptr(size), windows.MEM_RESERVE, windows.PAGE_NOACCESS)
		return pointer(p), os.NewSyscallError("VirtualAlloc", err)
	}
	if err := procVirtualAlloc2.Find(); err != nil {
		return nil, fmt.Errorf("mapping in chunks needs Windows 10 version 1803 or later: use --load copy: %w", err)
	}
	p, _, err := procVirtualAlloc2.Call(0, 0, uintptr(size), windows.MEM_RESERVE|memReservePlaceholder, windows.PAGE_NOACCESS, 0, 0)
	if p == 0 {
		return nil, os.NewSyscallError("VirtualAlloc2", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.views[p] = []view{{p, uintptr(size), false}}
	return pointer(p), nil
}

func (s *virtualSystem) commit(p unsafe.Pointer, size uint64) error {
	_, err := windows.VirtualAlloc(uintptr(p), uintptr(size), windows.MEM_COMMIT, windows.PAGE_READWRITE)
	return os.NewSyscallError("VirtualAlloc", err)
}

func (s *virtualSystem) mapFile(p unsafe.Pointer, size uint64, f *os.File, offset int64) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	// A view ends with its file, to the page.
	if left := uint64(info.Size() - offset); left < size {
		size = pad(left, windowsPage)
	}
	return s.mapView(uintptr(p), uintptr(size), f, offset, windows.PAGE_READONLY)
}

func (s *virtualSystem) alias(p unsafe.Pointer, size uint64, m *os.File) error {
	return s.mapView(uintptr(p), uintptr(size), m, 0, windows.PAGE_READWRITE)
}

func (s *virtualSystem) mapView(p, size uintptr, f *os.File, offset int64, protect uint32) error {
	if err := s.split(p, size); err != nil {
		return err
	}
	h, err := windows.CreateFileMapping(windows.Handle(f.Fd()), nil, protect, 0, 0, nil)
	if err != nil {
		return os.NewSyscallError("CreateFileMapping", err)
	}
	defer windows.CloseHandle(h)
	if r, _, err := procMapView3.Call(uintptr(h), uintptr(windows.CurrentProcess()), p, uintptr(offset), size, memReplacePlaceholder, uintptr(protect), 0, 0); r == 0 {
		return os.NewSyscallError("MapViewOfFile3", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, vs := range s.views {
		for i := range vs {
			if vs[i].addr == p {
				vs[i].mapped = true
			}
		}
	}
	return nil
}

// split makes [p, p+size) a placeholder of its own.
func (s *virtualSystem) split(p, size uintptr) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for base, vs := range s.views {
		for i, v := range vs {
			if v.mapped || p < v.addr || p+size > v.addr+v.size {
				continue
			}
			if p == v.addr && size == v.size {
				return nil
			}
			if err := windows.VirtualFree(p, size, windows.MEM_RELEASE|memPreservePlaceholder); err != nil {
				return os.NewSyscallError("VirtualFree", err)
			}
			parts := append([]view{}, vs[:i]...)
			if p > v.addr {
				parts = append(parts, view{v.addr, p - v.addr, false})
			}
			parts = append(parts, view{p, size, false})
			if end := v.addr + v.size; p+size < end {
				parts = append(parts, view{p + size, end - p - size, false})
			}
			s.views[base] = append(parts, vs[i+1:]...)
			return nil
		}
	}
	return fmt.Errorf("no reservation at %#x", p)
}

func (s *virtualSystem) release(p unsafe.Pointer, _ uint64, views bool) error {
	if !views {
		return os.NewSyscallError("VirtualFree", windows.VirtualFree(uintptr(p), 0, windows.MEM_RELEASE))
	}
	s.mu.Lock()
	vs := s.views[uintptr(p)]
	delete(s.views, uintptr(p))
	s.mu.Unlock()
	var first error
	for _, v := range vs {
		if v.mapped {
			if e := windows.UnmapViewOfFile(v.addr); e != nil && first == nil {
				first = os.NewSyscallError("UnmapViewOfFile", e)
			}
			continue
		}
		if e := windows.VirtualFree(v.addr, 0, windows.MEM_RELEASE); e != nil && first == nil {
			first = os.NewSyscallError("VirtualFree", e)
		}
	}
	return first
}

// pointer makes a pointer of an address of the system's. The detour tells vet that
// no pointer into Go's heap was ever an integer here.
func pointer(addr uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&addr)) }
