package gguf

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/internal/ggufcases"
)

// largeIndex is of a model of 3 TiB that no disk needs to hold.
func largeIndex(t *testing.T) *Index {
	t.Helper()
	const n = 1 << 40
	f := ggufcases.File{Tensors: []ggufcases.Tensor{
		{Name: "a", Dims: []uint64{n}, Type: 24},
		{Name: "b", Dims: []uint64{n}, Type: 24, Offset: n},
		{Name: "c", Dims: []uint64{n}, Type: 24, Offset: 2 * n},
	}}
	h, err := parseHeader("large.gguf", hole{f.Header(), 4 * n}, 4*n)
	if err != nil {
		t.Fatal(err)
	}
	ix, err := newIndex([]*file{{&files.File{Path: "large.gguf"}, h}})
	if err != nil {
		t.Fatal(err)
	}
	return ix
}

func TestTemporarySkeletonIsLikeTheOneInMemory(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"TMPDIR", "TMP"} {
		t.Setenv(name, folder)
	}
	content := ggufcases.Small()
	h, err := parse(content)
	if err != nil {
		t.Fatal(err)
	}
	ix, err := newIndex([]*file{{&files.File{Path: "x"}, h}})
	if err != nil {
		t.Fatal(err)
	}
	f, err := tempSkeleton()
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Dir(f.path) != folder {
		t.Errorf("made in %s, want %s", filepath.Dir(f.path), folder)
	}
	if err := ix.fillSkeleton(f); err != nil {
		t.Fatal(err)
	}
	again, err := Open(f.path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var a, b bytes.Buffer
	ix.WriteSkeleton(&a)
	again.WriteSkeleton(&b)
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("another header")
	}
	again.Close()
	if err := f.close(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestTemporarySkeletonWithoutAFolder(t *testing.T) {
	for _, name := range []string{"TMPDIR", "TMP"} {
		t.Setenv(name, filepath.Join(t.TempDir(), "none"))
	}
	if _, err := tempSkeleton(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestSkeletonLargerThanAFileCanBe(t *testing.T) {
	ix := largeIndex(t)
	for i := range ix.tensors {
		ix.tensors[i].Shape = []uint64{1 << 61}
	}
	if _, _, err := ix.WriteSkeleton(io.Discard); err == nil {
		t.Error("three tensors of 2^61 bytes fit a file")
	}
}
