package loader_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"testing"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/internal/modeltest"
)

// same fails unless both have the same metadata and tensors, wherever those lie.
func same(t *testing.T, got, want *gguf.Index) {
	t.Helper()
	list := func(ix *gguf.Index) (s []string) {
		for k, v := range ix.Metadata() {
			s = append(s, fmt.Sprint(k, v.Type(), v.ElemType(), v.Len(), v))
		}
		for _, tensor := range ix.Tensors() {
			s = append(s, fmt.Sprint(tensor.Name, tensor.Type, tensor.Shape, tensor.Size))
		}
		return s
	}
	if a, b := list(got), list(want); !reflect.DeepEqual(a, b) {
		t.Errorf("%q\nwant\n%q", a, b)
	}
}

func TestSkeletonLooksLikeTheModelAndHasNoWeights(t *testing.T) {
	for name, content := range map[string][]byte{
		"every type":     ggufcases.Small(),
		"nothing":        ggufcases.File{}.Bytes(),
		"version 2":      ggufcases.File{Version: 2, Keys: [][]byte{ggufcases.Key("a", ggufcases.Bool, []byte{1})}}.Bytes(),
		"no tensors":     ggufcases.ManyKeys(1000, 0),
		"alignment 4096": ggufcases.File{Keys: [][]byte{ggufcases.Key("general.alignment", ggufcases.Uint32, ggufcases.U32(4096))}, Tensors: []ggufcases.Tensor{{Name: "a", Dims: []uint64{8}}}, Data: 32, Alignment: 4096}.Bytes(),
	} {
		t.Run(name, func(t *testing.T) {
			ix := modeltest.Open(t, modeltest.Write(t, content))
			s, err := ix.Skeleton()
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			skeleton := modeltest.Open(t, s.Path())
			same(t, skeleton, ix)
			if skeleton.Version() != 3 || skeleton.Alignment() != ix.Alignment() {
				t.Errorf("version %d, alignment %d", skeleton.Version(), skeleton.Alignment())
			}
			for _, tensor := range skeleton.Tensors() {
				data := make([]byte, tensor.Size)
				if _, err := skeleton.File(0).ReadAt(data, tensor.Offset); err != nil {
					t.Errorf("tensor %s: %v", tensor.Name, err)
				}
				if !bytes.Equal(data, make([]byte, tensor.Size)) {
					t.Errorf("tensor %s has weights", tensor.Name)
				}
			}
			header, size, err := ix.WriteSkeleton(io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			if header%int64(ix.Alignment()) != 0 || skeleton.Files()[0].Size != size {
				t.Errorf("header of %d bytes, %d in all, but the file has %d", header, size, skeleton.Files()[0].Size)
			}
		})
	}
}

func TestSkeletonOutlivesTheModelsFile(t *testing.T) {
	path := modeltest.Write(t, ggufcases.Small())
	ix, err := loader.OpenWith(path, structure)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ix.Skeleton()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ix.Close()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	modeltest.Open(t, s.Path())
}

func TestSkeletonIsGoneAfterClose(t *testing.T) {
	s, err := modeltest.Open(t, modeltest.Write(t, ggufcases.Small())).Skeleton()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if ix, err := loader.OpenWith(s.Path(), structure); err == nil {
		ix.Close()
		t.Error("it can still be opened")
	}
}

func TestManySkeletonsLeaveNothingOpen(t *testing.T) {
	ix := modeltest.Open(t, modeltest.Write(t, ggufcases.Small()))
	before := openFiles(t)
	for range 50 {
		s, err := ix.Skeleton()
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
	if after := openFiles(t); after > before {
		t.Errorf("%d files open, %d before", after, before)
	}
}

func TestSkeletonReportsAFullDisk(t *testing.T) {
	ix := modeltest.Open(t, modeltest.Write(t, ggufcases.Small()))
	header, _, err := ix.WriteSkeleton(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for n := range int(header) {
		if _, _, err := ix.WriteSkeleton(&modeltest.Full{Left: n}); !errors.Is(err, modeltest.ErrFull) {
			t.Fatalf("room for %d of %d bytes: %v", n, header, err)
		}
	}
}
