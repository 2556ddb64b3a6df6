// Package modeltest makes files of models for tests and opens them.
package modeltest

import (
	"errors"
	"testing"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/loader/gguf"
)

// Write writes a file into a folder of its own and returns its path.
func Write(t testing.TB, content []byte) string {
	t.Helper()
	path, err := ggufcases.Case{Bytes: content}.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Open opens a file whatever model it holds, until the test ends.
func Open(t testing.TB, path string) *gguf.Index {
	t.Helper()
	ix, err := gguf.Open(path, gguf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ix.Close() })
	return ix
}

// Full is a disk with room for so many bytes.
type Full struct{ Left int }

// ErrFull is what a full disk answers.
var ErrFull = errors.New("no space left on device")

// Write takes what there is room for.
func (f *Full) Write(b []byte) (int, error) {
	n := min(len(b), f.Left)
	if f.Left -= n; n < len(b) {
		return n, ErrFull
	}
	return n, nil
}
