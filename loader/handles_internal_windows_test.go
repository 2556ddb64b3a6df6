package loader

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
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
	f, err := openRegular(path)
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
	f, want := randomFile(t, 3*directUnit+100)
	sector, err := sectorSize(f)
	if err != nil || sector < 512 || sector&(sector-1) != 0 {
		t.Errorf("sectors of %d bytes, %v", sector, err)
	}
	d, err := openDirect(f)
	if err != nil {
		t.Fatal(err)
	}
	file := &directFile{f: d, handles: directHandles()}
	defer d.Close()
	defer file.handles.close()
	p, err := windows.VirtualAlloc(0, 4*directUnit, windows.MEM_RESERVE|windows.MEM_COMMIT, windows.PAGE_READWRITE)
	if err != nil {
		t.Fatal(err)
	}
	defer windows.VirtualFree(p, 0, windows.MEM_RELEASE)
	b := unsafe.Slice((*byte)(pointer(p)), 4*directUnit)
	for _, at := range []int{0, directUnit, 3 * directUnit} {
		if n, err := file.ReadAt(b, int64(at)); n != len(want)-at || !bytes.Equal(b[:n], want[at:]) {
			t.Errorf("at %d: %d bytes, %v", at, n, err)
		}
	}
}

func TestAFileThatCantBeSparseSaysSo(t *testing.T) {
	full := windows.ERROR_DISK_FULL
	if err := notExtended(full, `E:\tmp\x.gguf`, 5<<30, true); !errors.Is(err, full) || !strings.Contains(err.Error(), `E:\tmp has no sparse files, as FAT32 and exFAT have none, and would have to hold 5.00 GiB: let TMP`) {
		t.Error(err)
	}
	if err := notExtended(full, `E:\tmp\x.gguf`, 5<<30, false); err != full {
		t.Error(err)
	}
}

func TestPrefetchOfWindows(t *testing.T) {
	f, want := randomFile(t, 1<<20)
	s := mappedFile(t, f, 1<<20)
	defer s.close()
	p := s.base
	if !prefetchVirtual(p, 1<<20) {
		t.Error("PrefetchVirtualMemory is refused")
	}
	if err := prefetch(t.Context(), f, p, 0, 1<<20); err != nil || !bytes.Equal(bytesAt(p, 1<<20), want) {
		t.Error(err)
	}
}

// What takes the place of a view whose file can't be read any more is given back as views
// are.
func TestAReplacedViewIsGivenBack(t *testing.T) {
	f, _ := randomFile(t, 1<<20)
	s := mappedFile(t, f, 1<<20)
	p := s.base
	if err := windows.UnmapViewOfFile(uintptr(p)); err != nil {
		t.Fatal(err)
	}
	if q, err := windows.VirtualAlloc(uintptr(p), 1<<20, windows.MEM_RESERVE, windows.PAGE_NOACCESS); err != nil || q != uintptr(p) {
		t.Skip("somebody else has these addresses now:", err)
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
	var m windows.MemoryBasicInformation
	if err := windows.VirtualQuery(uintptr(p), &m, unsafe.Sizeof(m)); err != nil || m.State != memFree {
		t.Errorf("%+v, %v", m, err)
	}
}

// mappedFile maps so much of a file.
func mappedFile(t *testing.T, f *os.File, size uint64) *span {
	t.Helper()
	s, err := newViews(realSystem, nil, PurposeWeights, size, 0, func(s *span) error { return realSystem.mapFile(s.base, size, f, 0) })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What is reserved for views stays so while they are put into it one by one: nothing else
// is given addresses between them, with placeholders or without.
func TestReservationsForViewsDoNotOverlap(t *testing.T) {
	f, _ := randomFile(t, 1<<20)
	for _, old := range []bool{false, true} {
		sys := &virtualSystem{regions: map[uintptr]*region{}, old: old}
		s, err := newViews(sys, nil, PurposeWeights, 1<<20, 0, func(s *span) error {
			// The first, one in between, and the rest in another order.
			for _, i := range []uint64{0, 7, 9, 8, 15, 1, 2, 3, 4, 5, 6, 10, 11, 12, 13, 14} {
				if err := sys.mapFile(at(s.base, i<<16), 1<<16, f, int64(i<<16)); err != nil {
					return err
				}
				other, err := sys.reserve(1<<16, true, 0)
				if err != nil {
					return err
				}
				if uintptr(other) >= uintptr(s.base) && uintptr(other) < uintptr(s.base)+1<<20 {
					t.Errorf("old %v: after view %d others are given addresses at %d of the range", old, i, uintptr(other)-uintptr(s.base))
				}
				if err := sys.release(other, 1<<16, true); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}
}
