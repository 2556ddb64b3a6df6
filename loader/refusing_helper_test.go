package loader

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"
	"unsafe"
)

// What tests of memory have in common.

const (
	kib = 1 << 10
	mib = 1 << 20
)

// errRefused is what refusing systems answer.
var errRefused = errors.New("refused by the test")

// refusing is the real system, unless refuse says otherwise of the n-th request
// (counted from 0, of all kinds together) and its size. It knows what was not given
// back.
type refusing struct {
	system
	refuse func(what string, n int, size uint64) bool

	mu     sync.Mutex
	n      int
	advice int // calls of huge
	live   map[unsafe.Pointer]uint64
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

func (r *refusing) huge(p unsafe.Pointer, size uint64) {
	r.mu.Lock()
	r.advice++
	r.mu.Unlock()
	r.system.huge(p, size)
}

// reserved tells whether a piece of memory is within a reservation.
func (r *refusing) reserved(p unsafe.Pointer, size uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for base, n := range r.live {
		if uintptr(p) >= uintptr(base) && uintptr(p)+uintptr(size) <= uintptr(base)+uintptr(n) {
			return true
		}
	}
	return false
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

// nothingLeft fails where addresses were not given back.
func (r *refusing) nothingLeft(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.live) != 0 {
		t.Errorf("%d reservations were not given back", len(r.live))
	}
}

// use makes a system the one of later reservations, until restore.
func use(sys system) (restore func()) {
	before := Current
	Current = sys
	return func() { Current = before }
}

// must ends a test that can't go on.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
