package loader_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/internal/modeltest"
)

func TestAnyShardOpensTheWholeModel(t *testing.T) {
	folder := t.TempDir()
	if _, err := (ggufcases.Case{Files: ggufcases.SoundShards()}).Write(folder); err != nil {
		t.Fatal(err)
	}
	for no := 1; no <= 3; no++ {
		t.Run(fmt.Sprintf("shard %d", no), func(t *testing.T) {
			ix := modeltest.Open(t, filepath.Join(folder, ggufcases.ShardName("m", no, 3)))
			if want := filepath.Join(folder, ggufcases.ShardName("m", 1, 3)); ix.Path() != want {
				t.Errorf("path %q, want %q", ix.Path(), want)
			}
			if ix.Architecture() != "llama" {
				t.Errorf("architecture %q, want that of the first file", ix.Architecture())
			}
			var got string
			for _, tensor := range ix.Tensors() {
				got += fmt.Sprintf("%s:%d ", tensor.Name, tensor.File)
				var first [1]byte
				if _, err := ix.File(tensor.File).ReadAt(first[:], tensor.Offset); err != nil {
					t.Error(err)
				}
				if want := map[string]byte{"a": 1, "b": 33, "c": 1}[tensor.Name]; first[0] != want {
					t.Errorf("tensor %s begins with %d, want %d", tensor.Name, first[0], want)
				}
			}
			if got != "a:0 b:0 c:2 " || ix.Bytes() != 96 || len(ix.Files()) != 3 {
				t.Errorf("tensors %s, %d bytes, %d files", got, ix.Bytes(), len(ix.Files()))
			}
		})
	}
}

func TestRelativePathsOfShards(t *testing.T) {
	folder := t.TempDir()
	if _, err := (ggufcases.Case{Files: ggufcases.SoundShards()}).Write(folder); err != nil {
		t.Fatal(err)
	}
	t.Chdir(folder)
	for _, path := range []string{ggufcases.ShardName("m", 2, 3), "./" + ggufcases.ShardName("m", 2, 3)} {
		modeltest.Open(t, path)
	}
}

func TestShardsMayCountInAnyIntegerType(t *testing.T) {
	for _, tt := range []struct {
		name string
		typ  uint32
		n    func(int) []byte
	}{
		{"uint8", ggufcases.Uint8, func(n int) []byte { return []byte{byte(n)} }},
		{"int16", ggufcases.Int16, func(n int) []byte { return ggufcases.U16(uint16(n)) }},
		{"uint32", ggufcases.Uint32, func(n int) []byte { return ggufcases.U32(uint32(n)) }},
		{"int32", ggufcases.Int32, func(n int) []byte { return ggufcases.U32(uint32(n)) }},
		{"uint64", ggufcases.Uint64, func(n int) []byte { return ggufcases.U64(uint64(n)) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := map[string][]byte{}
			for no := range 2 {
				f := ggufcases.File{Keys: [][]byte{
					ggufcases.Key("split.no", tt.typ, tt.n(no)),
					ggufcases.Key("split.count", tt.typ, tt.n(2)),
					ggufcases.Key("split.tensors.count", tt.typ, tt.n(0)),
				}}
				files[ggufcases.ShardName("m", no+1, 2)] = f.Bytes()
			}
			path, err := ggufcases.Case{Files: files, Open: ggufcases.ShardName("m", 1, 2)}.Write(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			modeltest.Open(t, path)
		})
	}
}

func TestAModelInOneFileMayHaveSplitKeysAndAnyName(t *testing.T) {
	for name, content := range map[string][]byte{
		"model.gguf":                     ggufcases.Shard{No: 0, Count: 1, Total: 1, Tensors: []string{"a"}}.Bytes(),
		"no extension":                   ggufcases.Shard{No: 0, Count: 0, Total: 0}.Bytes(),
		ggufcases.ShardName("m", 1, 1):   ggufcases.Shard{No: 0, Count: 1, Total: 1, Tensors: []string{"a"}}.Bytes(),
		ggufcases.ShardName("m", 5, 9):   ggufcases.Small(),
		ggufcases.ShardName("m\n", 1, 1): ggufcases.Small(),
	} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Logf("%q: %v", name, err)
			continue
		}
		modeltest.Open(t, path)
	}
}

func TestShardsMayDifferInAlignment(t *testing.T) {
	// Programs that split a model copy its keys into the first file only.
	align := ggufcases.Key("general.alignment", ggufcases.Uint32, ggufcases.U32(64))
	said := func(no uint16) [][]byte {
		return [][]byte{
			ggufcases.Key("split.no", ggufcases.Uint16, ggufcases.U16(no)),
			ggufcases.Key("split.count", ggufcases.Uint16, ggufcases.U16(2)),
			ggufcases.Key("split.tensors.count", ggufcases.Int32, ggufcases.U32(4)),
		}
	}
	tensors := func(names string, align uint64) (list []ggufcases.Tensor) {
		for i, name := range names {
			list = append(list, ggufcases.Tensor{Name: string(name), Dims: []uint64{8}, Offset: uint64(i) * align})
		}
		return list
	}
	path, err := ggufcases.Case{Files: map[string][]byte{
		ggufcases.ShardName("m", 1, 2): ggufcases.File{Keys: append(said(0), align), Tensors: tensors("ab", 64), Data: 96, Alignment: 64}.Bytes(),
		ggufcases.ShardName("m", 2, 2): ggufcases.File{Keys: said(1), Tensors: tensors("cd", 32), Data: 64}.Bytes(),
	}, Open: ggufcases.ShardName("m", 2, 2)}.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ix := modeltest.Open(t, path)
	if ix.Alignment() != 64 {
		t.Errorf("alignment %d, want that of the first file", ix.Alignment())
	}
	s, err := ix.Skeleton()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	merged := modeltest.Open(t, s.Path())
	first := merged.Tensors()[0].Offset
	for i, tensor := range merged.Tensors() {
		if want := first + int64(i)*64; tensor.Offset != want {
			t.Errorf("tensor %s at %d, want %d", tensor.Name, tensor.Offset, want)
		}
	}
}

func TestSkeletonOfShardsIsOneFileWithoutTheirKeys(t *testing.T) {
	path, err := ggufcases.Case{Files: ggufcases.SoundShards(), Open: ggufcases.ShardName("m", 1, 3)}.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if _, _, err := modeltest.Open(t, path).WriteSkeleton(&out); err != nil {
		t.Fatal(err)
	}
	want := ggufcases.File{
		Keys: [][]byte{ggufcases.Key("general.architecture", ggufcases.String, ggufcases.Text("llama"))},
		Tensors: []ggufcases.Tensor{
			{Name: "a", Dims: []uint64{8}}, {Name: "b", Dims: []uint64{8}, Offset: 32}, {Name: "c", Dims: []uint64{8}, Offset: 64},
		},
		Data: 1,
	}.Bytes()
	if want = want[:len(want)-1]; !bytes.Equal(out.Bytes(), want) {
		t.Errorf("%q, want %q", out.Bytes(), want)
	}
}

func TestFilesOfAModelAreClosedTogether(t *testing.T) {
	path, err := ggufcases.Case{Files: ggufcases.SoundShards(), Open: ggufcases.ShardName("m", 1, 3)}.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ix, err := loader.OpenWith(path, structure)
	if err != nil {
		t.Fatal(err)
	}
	if err := ix.Close(); err != nil {
		t.Fatal(err)
	}
	for i := range ix.Files() {
		if _, err := ix.File(i).Stat(); err == nil {
			t.Errorf("file %d is open", i)
		}
	}
}
