// Package modeltest writes model files for tests and opens them.
package modeltest

import (
	"errors"
	"testing"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/loader/gguf"
)

// Write writes a file to a new folder and returns its path.
func Write(t testing.TB, content []byte) string {
	t.Helper()
	path, err := ggufcases.Case{Bytes: content}.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Open opens a file without checking the model; it is closed at the end of the test.
func Open(t testing.TB, path string) *gguf.Index {
	t.Helper()
	ix, err := gguf.Open(path, gguf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ix.Close() })
	return ix
}

// Full is a disk with Left bytes of free space.
type Full struct{ Left int }

// ErrFull is the error of a full disk.
var ErrFull = errors.New("no space left on device")

// Write writes as much as fits.
func (f *Full) Write(b []byte) (int, error) {
	n := min(len(b), f.Left)
	if f.Left -= n; n < len(b) {
		return n, ErrFull
	}
	return n, nil
}
