package space

import (
	"errors"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/windows"
)

// workingSet serialises changes of the working set's size, which are read-modify-write.
var workingSet sync.Mutex

// Lock first raises the minimum working set by size: by default it has room for a few dozen pages.
func (s *virtualSystem) Lock(p unsafe.Pointer, size uint64) error {
	if err := growWorkingSet(int64(size)); err != nil {
		return err
	}
	if err := windows.VirtualLock(uintptr(p), uintptr(size)); err != nil {
		return errors.Join(os.NewSyscallError("VirtualLock", err), growWorkingSet(-int64(size)))
	}
	return nil
}

func (s *virtualSystem) Unlock(p unsafe.Pointer, size uint64) error {
	if err := windows.VirtualUnlock(uintptr(p), uintptr(size)); err != nil {
		return os.NewSyscallError("VirtualUnlock", err)
	}
	return growWorkingSet(-int64(size))
}

// growWorkingSet changes the minimum and maximum of the working set by n bytes.
func growWorkingSet(n int64) error {
	workingSet.Lock()
	defer workingSet.Unlock()
	var least, most uintptr
	var flags uint32
	windows.GetProcessWorkingSetSizeEx(windows.CurrentProcess(), &least, &most, &flags)
	if least == 0 {
		return errors.New("the size of the working set is unknown")
	}
	err := windows.SetProcessWorkingSetSizeEx(windows.CurrentProcess(), least+uintptr(n), most+uintptr(n), flags)
	return os.NewSyscallError("SetProcessWorkingSetSizeEx", err)
}
