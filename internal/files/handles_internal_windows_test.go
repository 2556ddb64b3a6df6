package files

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"unsafe"

	"golang.org/x/sys/windows"
)

// randomFile is a file of so many bytes, and these.
func randomFile(t *testing.T, size int) (*os.File, []byte) {
	t.Helper()
	b := make([]byte, size)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := OpenRegular(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, b
}

func TestEachReaderHasAHandle(t *testing.T) {
	f, want := randomFile(t, 1<<20)
	var h handles
	a, b := h.take(f), h.take(f)
	if a == nil || b == nil || a == b || a == f {
		t.Fatalf("%v and %v", a, b)
	}
	h.give(a)
	if c := h.take(f); c != a {
		t.Errorf("an idle handle is not used again: %v", c)
	} else {
		h.give(c)
	}
	// The name may be another file's by now.
	if err := os.Rename(f.Name(), f.Name()+"x"); err != nil {
		t.Error(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			got := make([]byte, len(want)/8)
			if _, err := h.readAt(f, got, int64(i*len(got))); err != nil || !bytes.Equal(got, want[i*len(got):(i+1)*len(got)]) {
				t.Errorf("reader %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if n, err := h.readAt(f, make([]byte, 10), int64(len(want)-4)); n != 4 || !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %d, %v", n, err)
	}
	h.close()
	h.give(b)
	if _, err := b.Stat(); err == nil {
		t.Error("a handle that is given back after the end stays open")
	}
	if len(h.idle) > 0 || h.take(f) != nil {
		t.Error("open after the end")
	}
}

func TestDirectReadsOfWindows(t *testing.T) {
	f, want := randomFile(t, 3*DirectUnit+100)
	sector, err := sectorSize(f)
	if err != nil || sector < 512 || sector&(sector-1) != 0 {
		t.Errorf("sectors of %d bytes, %v", sector, err)
	}
	d, err := openDirect(f)
	if err != nil {
		t.Fatal(err)
	}
	file := &DirectFile{OS: d, handles: directHandles()}
	defer d.Close()
	defer file.handles.close()
	p, err := windows.VirtualAlloc(0, 4*DirectUnit, windows.MEM_RESERVE|windows.MEM_COMMIT, windows.PAGE_READWRITE)
	if err != nil {
		t.Fatal(err)
	}
	defer windows.VirtualFree(p, 0, windows.MEM_RELEASE)
	b := unsafe.Slice((*byte)(unsafe.Add(nil, p)), 4*DirectUnit)
	for _, at := range []int{0, DirectUnit, 3 * DirectUnit} {
		if n, err := file.ReadAt(b, int64(at)); n != len(want)-at || !bytes.Equal(b[:n], want[at:]) {
			t.Errorf("at %d: %d bytes, %v", at, n, err)
		}
	}
}
