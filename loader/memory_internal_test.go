package loader

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"unsafe"
)

// errRefused is what refusing systems answer.
var errRefused = errors.New("refused by the test")

// refusing is the real system, unless refuse says otherwise of the n-th request
// (counted from 0, of all kinds together) and its size. It knows what was not given
// back.
type refusing struct {
	system
	refuse func(what string, n int, size uint64) bool

	mu   sync.Mutex
	n    int
	live map[unsafe.Pointer]uint64
}

func newRefusing(refuse func(what string, n int, size uint64) bool) *refusing {
	return &refusing{system: realSystem, refuse: refuse, live: map[unsafe.Pointer]uint64{}}
}

func (r *refusing) asked(what string, size uint64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n++
	if r.refuse != nil && r.refuse(what, r.n-1, size) {
		return fmt.Errorf("%s of %d bytes: %w", what, size, errRefused)
	}
	return nil
}

func (r *refusing) reserve(size uint64, views bool, phase uint64) (unsafe.Pointer, error) {
	if err := r.asked("reserve", size); err != nil {
		return nil, err
	}
	p, err := r.system.reserve(size, views, phase)
	if err == nil {
		r.mu.Lock()
		r.live[p] = size
		r.mu.Unlock()
	}
	return p, err
}

func (r *refusing) commit(p unsafe.Pointer, size uint64) error {
	if err := r.asked("commit", size); err != nil {
		return err
	}
	return r.system.commit(p, size)
}

func (r *refusing) mapFile(p unsafe.Pointer, size uint64, f *os.File, offset int64) error {
	if err := r.asked("mapFile", size); err != nil {
		return err
	}
	return r.system.mapFile(p, size, f, offset)
}

func (r *refusing) share(size uint64) (io.Closer, error) {
	if err := r.asked("share", size); err != nil {
		return nil, err
	}
	return r.system.share(size)
}

func (r *refusing) alias(p unsafe.Pointer, size uint64, m io.Closer) error {
	if err := r.asked("alias", size); err != nil {
		return err
	}
	return r.system.alias(p, size, m)
}

func (r *refusing) lock(p unsafe.Pointer, size uint64) error {
	if err := r.asked("lock", size); err != nil {
		return err
	}
	return r.system.lock(p, size)
}

func (r *refusing) release(p unsafe.Pointer, size uint64, views bool) error {
	r.mu.Lock()
	if r.live[p] != size {
		r.mu.Unlock()
		return fmt.Errorf("released %d bytes at %p, reserved were %d", size, p, r.live[p])
	}
	delete(r.live, p)
	r.mu.Unlock()
	return r.system.release(p, size, views)
}

// nothingLeft fails where addresses were not given back, or the ledger still has
// something.
func (r *refusing) nothingLeft(t *testing.T, l *Ledger) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.live) != 0 {
		t.Errorf("%d reservations were not given back", len(r.live))
	}
	ledgerEmpty(t, l)
}

func ledgerEmpty(t *testing.T, l *Ledger) {
	t.Helper()
	u := l.Snapshot()
	for p, u := range append(u.Purposes[:], u.Total) {
		if u.Current != 0 || u.Count != 0 {
			t.Errorf("the ledger still has %d bytes in %d pieces for %v", u.Current, u.Count, Purpose(p))
		}
	}
}

// content is the byte of a test's model at an offset of a tensor.
func content(tensor int, off uint64) byte { return byte(off*31 + off>>8*7 + uint64(tensor)*101 + 1) }

// testModel writes a model of tensors t0, t1, ... of these sizes in bytes, in as many
// shards as there are lists, and opens it.
func testModel(t testing.TB, shards ...[]uint64) *Index {
	t.Helper()
	dir := t.TempDir()
	total := 0
	for _, sizes := range shards {
		total += len(sizes)
	}
	first, next := "", 0
	for no, sizes := range shards {
		var w Writer
		if len(shards) > 1 {
			w.Add("split.no", Uint16Value(uint16(no)))
			w.Add("split.count", Uint16Value(uint16(len(shards))))
			w.Add("split.tensors.count", Int32Value(int32(total)))
		}
		name := filepath.Join(dir, fmt.Sprintf("model-%05d-of-%05d.gguf", no+1, len(shards)))
		if no == 0 {
			first = name
		}
		for i, size := range sizes {
			w.AddTensor(fmt.Sprintf("t%d", next+i), TypeI8, size)
		}
		f, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.WriteHeader(f); err != nil {
			t.Fatal(err)
		}
		for i, size := range sizes {
			data := make([]byte, size+w.Padding(size))
			for off := range size {
				data[off] = content(next+i, off)
			}
			if _, err := f.Write(data); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		next += len(sizes)
	}
	ix, err := OpenWith(first, OpenOptions{SkipModel: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ix.Close() })
	return ix
}

// checkContent compares all tensors with what testModel wrote.
func checkContent(t *testing.T, ix *Index, w *Weights) {
	t.Helper()
	for i, tensor := range ix.Tensors() {
		p, size, ok := w.TensorData(tensor.Name)
		if !ok || size != tensor.Size {
			t.Fatalf("%s: %d bytes (%v), want %d", tensor.Name, size, ok, tensor.Size)
		}
		want := make([]byte, size)
		for off := range want {
			want[off] = content(i, uint64(off))
		}
		if !slices.Equal(bytesAt(p, size), want) {
			t.Fatalf("%s: not what is in the file", tensor.Name)
		}
		if got, want := uint64(uintptr(p))%granularity(), uint64(tensor.Offset)%granularity(); got != want {
			t.Errorf("%s lies %d bytes into a page, in the file %d", tensor.Name, got, want)
		}
	}
}

// mustPlan plans in chunks of some size.
func mustPlan(t testing.TB, ix *Index, chunk uint64) *Plan {
	t.Helper()
	p, err := ix.Plan(PlanOptions{ChunkSize: chunk})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const kib, mib = 1 << 10, 1 << 20
