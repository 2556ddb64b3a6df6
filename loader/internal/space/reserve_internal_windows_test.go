package space

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"golang.org/x/sys/windows"
)

// zeroFile is a file of so many bytes.
func zeroFile(t *testing.T, size int) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// Memory that replaces a view of an unreadable file is released like a view.
func TestAReplacedViewIsGivenBack(t *testing.T) {
	f := zeroFile(t, 1<<20)
	sys := RealSystem
	p, err := sys.Reserve(1<<20, true, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := sys.MapFile(p, 1<<20, f, 0); err != nil {
		t.Fatal(err)
	}
	if err := windows.UnmapViewOfFile(uintptr(p)); err != nil {
		t.Fatal(err)
	}
	if q, err := windows.VirtualAlloc(uintptr(p), 1<<20, windows.MEM_RESERVE, windows.PAGE_NOACCESS); err != nil || q != uintptr(p) {
		t.Skip("somebody else has these addresses now:", err)
	}
	if err := sys.Release(p, 1<<20, true); err != nil {
		t.Error(err)
	}
	const memFree = 0x10000 // MEM_FREE
	var m windows.MemoryBasicInformation
	if err := windows.VirtualQuery(uintptr(p), &m, unsafe.Sizeof(m)); err != nil || m.State != memFree {
		t.Errorf("%+v, %v", m, err)
	}
}

// Addresses that are reserved for views stay reserved while the views are mapped one by one, with
// placeholders or without.
func TestReservationsForViewsDoNotOverlap(t *testing.T) {
	f := zeroFile(t, 1<<20)
	for _, old := range []bool{false, true} {
		for mapViews(t, f, old) { // without placeholders, another thread may get addresses that are free for a moment
			t.Log("again: another mapping took addresses")
		}
	}
}

// mapViews maps views one by one. It returns whether another thread took addresses meanwhile.
func mapViews(t *testing.T, f *os.File, old bool) (lost bool) {
	sys := &virtualSystem{regions: map[uintptr]*region{}, old: old}
	base, err := sys.Reserve(1<<20, true, 0)
	if err != nil {
		t.Fatal(err)
	}
	// The first, one in between, and the rest in another order.
	for _, i := range []uint64{0, 7, 9, 8, 15, 1, 2, 3, 4, 5, 6, 10, 11, 12, 13, 14} {
		if err := sys.MapFile(At(base, i<<16), 1<<16, f, int64(i<<16)); err != nil {
			if sys.old && errors.Is(err, ErrLostAddresses) {
				return true
			}
			t.Fatal(err)
		}
		other, err := sys.Reserve(1<<16, true, 0)
		if err != nil {
			t.Fatal(err)
		}
		if uintptr(other) >= uintptr(base) && uintptr(other) < uintptr(base)+1<<20 {
			t.Errorf("old %v: after view %d others are given addresses at %d of the range", old, i, uintptr(other)-uintptr(base))
		}
		if err := sys.Release(other, 1<<16, true); err != nil {
			t.Fatal(err)
		}
	}
	if err := sys.Release(base, 1<<20, true); err != nil {
		t.Error(err)
	}
	return false
}
