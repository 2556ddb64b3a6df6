// Package spacetest provides a memory system for tests that can refuse requests.
package spacetest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"
	"unsafe"

	"github.com/seed7adf6694/infer/loader/internal/space"
)

// Helpers for tests of memory.

const (
	KiB = 1 << 10
	MiB = 1 << 20
)

// ErrRefused is the error of a refused request.
var ErrRefused = errors.New("refused by the test")

// Refusing is the real system, unless Refuse returns true for the n-th request (counted from 0 over
// all kinds) and its size. It records reservations that have not been released.
type Refusing struct {
	space.System
	Refuse func(what string, n int, size uint64) bool

	mu       sync.Mutex
	Requests int
	Advice   int // calls of Huge
	Live     map[unsafe.Pointer]uint64
}

func NewRefusing(refuse func(what string, n int, size uint64) bool) *Refusing {
	return &Refusing{System: space.RealSystem, Refuse: refuse, Live: map[unsafe.Pointer]uint64{}}
}

func (r *Refusing) asked(what string, size uint64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Requests++
	if r.Refuse != nil && r.Refuse(what, r.Requests-1, size) {
		return fmt.Errorf("%s of %d bytes: %w", what, size, ErrRefused)
	}
	return nil
}

func (r *Refusing) Reserve(size uint64, views bool, phase uint64) (unsafe.Pointer, error) {
	if err := r.asked("reserve", size); err != nil {
		return nil, err
	}
	p, err := r.System.Reserve(size, views, phase)
	if err == nil {
		r.mu.Lock()
		r.Live[p] = size
		r.mu.Unlock()
	}
	return p, err
}

func (r *Refusing) Commit(p unsafe.Pointer, size uint64) error {
	if err := r.asked("commit", size); err != nil {
		return err
	}
	return r.System.Commit(p, size)
}

func (r *Refusing) Huge(p unsafe.Pointer, size uint64) {
	r.mu.Lock()
	r.Advice++
	r.mu.Unlock()
	r.System.Huge(p, size)
}

// Reserved reports whether an address range is within a reservation.
func (r *Refusing) Reserved(p unsafe.Pointer, size uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for base, n := range r.Live {
		if uintptr(p) >= uintptr(base) && uintptr(p)+uintptr(size) <= uintptr(base)+uintptr(n) {
			return true
		}
	}
	return false
}

func (r *Refusing) MapFile(p unsafe.Pointer, size uint64, f *os.File, offset int64) error {
	if err := r.asked("mapFile", size); err != nil {
		return err
	}
	return r.System.MapFile(p, size, f, offset)
}

func (r *Refusing) Share(size uint64) (io.Closer, error) {
	if err := r.asked("share", size); err != nil {
		return nil, err
	}
	return r.System.Share(size)
}

func (r *Refusing) Alias(p unsafe.Pointer, size uint64, m io.Closer) error {
	if err := r.asked("alias", size); err != nil {
		return err
	}
	return r.System.Alias(p, size, m)
}

func (r *Refusing) Lock(p unsafe.Pointer, size uint64) error {
	if err := r.asked("lock", size); err != nil {
		return err
	}
	return r.System.Lock(p, size)
}

func (r *Refusing) Release(p unsafe.Pointer, size uint64, views bool) error {
	r.mu.Lock()
	if r.Live[p] != size {
		r.mu.Unlock()
		return fmt.Errorf("released %d bytes at %p, reserved were %d", size, p, r.Live[p])
	}
	delete(r.Live, p)
	r.mu.Unlock()
	return r.System.Release(p, size, views)
}

// NothingLeft fails the test if reservations have not been released.
func (r *Refusing) NothingLeft(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.Live) != 0 {
		t.Errorf("%d reservations were not given back", len(r.Live))
	}
}

// Use makes new reservations use a system, until restore is called.
func Use(sys space.System) (restore func()) {
	before := space.Current
	space.Current = sys
	return func() { space.Current = before }
}

// Must ends the test if err is not nil.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
