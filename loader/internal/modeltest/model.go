package modeltest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/loader/gguf"
)

// Content returns the byte at an offset of a tensor in a test's model.
func Content(tensor int, off uint64) byte { return byte(off*31 + off>>8*7 + uint64(tensor)*101 + 1) }

// Model writes a model of tensors t0, t1, … with these sizes in bytes, one shard for each list, and
// opens it.
func Model(t testing.TB, shards ...[]uint64) *gguf.Index {
	t.Helper()
	dir := t.TempDir()
	total := 0
	for _, sizes := range shards {
		total += len(sizes)
	}
	first, next := "", 0
	for no, sizes := range shards {
		var w gguf.Writer
		if len(shards) > 1 {
			w.Add("split.no", gguf.Uint16Value(uint16(no)))
			w.Add("split.count", gguf.Uint16Value(uint16(len(shards))))
			w.Add("split.tensors.count", gguf.Int32Value(int32(total)))
		}
		name := filepath.Join(dir, fmt.Sprintf("model-%05d-of-%05d.gguf", no+1, len(shards)))
		if no == 0 {
			first = name
		}
		for i, size := range sizes {
			w.AddTensor(fmt.Sprintf("t%d", next+i), gguf.TypeI8, size)
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
				data[off] = Content(next+i, off)
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
	ix, err := gguf.Open(first, gguf.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ix.Close() })
	return ix
}

// Truncate changes the size of a file. refused is why the system does not do that for a mapped file.
func Truncate(t testing.TB, path string, size int64) (refused error) {
	t.Helper()
	err := os.Truncate(path, size)
	if errors.Is(files.BlockedByUse(err, path), files.ErrFileInUse) {
		return fmt.Errorf("this system does not cut files short that are mapped: %w", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return nil
}
