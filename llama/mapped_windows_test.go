//go:build cgo

package llama_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/seed7adf6694/infer/llama"
)

var (
	kernel32       = windows.NewLazySystemDLL("kernel32.dll")
	raiseException = kernel32.NewProc("RaiseException")
	compareMemory  = windows.NewLazySystemDLL("ntdll.dll").NewProc("RtlCompareMemory")
)

// pageError is what the system raises when it can't read a page of a file.
func pageError(addr uintptr) {
	const inPageError, unsuccessful = 0xC0000006, 0xC0000001
	arguments := [3]uintptr{0, addr, unsuccessful} // to be read
	_, _, _ = raiseException.Call(inPageError, 0, uintptr(len(arguments)), uintptr(unsafe.Pointer(&arguments[0])))
}

func TestLostPagesOfWindows(t *testing.T) {
	const size = 256 << 10
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, bytes.Repeat([]byte{7}, size), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	section, err := windows.CreateFileMapping(windows.Handle(f.Fd()), nil, windows.PAGE_READONLY, 0, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	addr, err := windows.MapViewOfFile(section, windows.FILE_MAP_READ, 0, 0, 0)
	windows.CloseHandle(section)
	if err != nil {
		t.Fatal(err)
	}
	m := llama.WatchMapped(*(*unsafe.Pointer)(unsafe.Pointer(&addr)), size)
	defer m.Close()
	// Native code reads, as the engine does.
	same := func(as byte, offset, n int) bool {
		want := bytes.Repeat([]byte{as}, n)
		equal, _, _ := compareMemory.Call(addr+uintptr(offset), uintptr(unsafe.Pointer(&want[0])), uintptr(n))
		return int(equal) == n
	}
	if !same(7, 0, size) || m.Lost() != 0 {
		t.Fatalf("%d bytes lost of a file that is there", m.Lost())
	}
	pageError(addr + 70<<10)
	if !same(0, 64<<10, 64<<10) || m.Lost() != 64<<10 {
		t.Errorf("%d bytes lost with a page", m.Lost())
	}
	// A part of a view can't be replaced: the rest is lost too, when it is read.
	if !same(0, 0, size) || m.Lost() != size {
		t.Errorf("%d bytes lost with the view", m.Lost())
	}
	pageError(addr + 70<<10) // of a thread that comes late
	if m.Lost() != size {
		t.Errorf("%d bytes lost twice", m.Lost())
	}
	if err := windows.VirtualFree(addr, 0, windows.MEM_RELEASE); err != nil {
		t.Error(err)
	}
}
