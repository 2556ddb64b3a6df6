package memtest

import (
	"fmt"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"
)

var wineGetVersion = windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version")

// wineVersion returns the version of wine, "" on Windows.
func wineVersion() string {
	if wineGetVersion.Find() != nil {
		return ""
	}
	p, _, _ := wineGetVersion.Call()
	return windows.BytePtrToString(*(**byte)(unsafe.Pointer(&p)))
}

// knownWine reports whether this version of wine allows Linux system calls.
func knownWine(version string) bool { return strings.HasPrefix(version, "8.") }

// hostAddresses reserves by system calls of Linux below wine.
type hostAddresses struct{}

func (hostAddresses) reserve(at, size uint64) (uint64, error) {
	const mmap, none = 9, 0
	flags := uintptr(0x4022) // MAP_NORESERVE, MAP_ANONYMOUS, MAP_PRIVATE
	if at > 0 {
		flags |= 0x100000 // MAP_FIXED_NOREPLACE
	}
	p := hostCall(mmap, uintptr(at), uintptr(size), none, flags, ^uintptr(0), 0)
	if errno := -int(p); errno > 0 && errno < 4096 {
		return 0, fmt.Errorf("mmap: error %d", errno)
	}
	return uint64(p), nil
}

func (hostAddresses) release(at, size uint64) error {
	const munmap = 11
	if errno := -int(hostCall(munmap, uintptr(at), uintptr(size), 0, 0, 0, 0)); errno != 0 {
		return fmt.Errorf("munmap: error %d", errno)
	}
	return nil
}

// hostCall makes a Linux system call.
func hostCall(number, a, b, c, d, e, f uintptr) uintptr
