package loader_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/internal/modeltest"
)

// structure reads files that are no models.
var structure = loader.OpenOptions{SkipModel: true}

func TestOpenReadsAFile(t *testing.T) {
	path := modeltest.Write(t, ggufcases.Small())
	ix := modeltest.Open(t, path)
	if ix.Path() != path || ix.Version() != 3 || ix.Alignment() != 32 || ix.Architecture() != "llama" || !ix.HasTensors() {
		t.Errorf("path %q, version %d, alignment %d, architecture %q, tensors %v", ix.Path(), ix.Version(), ix.Alignment(), ix.Architecture(), ix.HasTensors())
	}
	files := ix.Files()
	if len(files) != 1 || files[0].Path != path || files[0].Size != int64(len(ggufcases.Small())) || time.Since(files[0].ModTime) > time.Hour {
		t.Errorf("files %+v", files)
	}
	var keys []string
	for k := range ix.Metadata() {
		keys = append(keys, k)
	}
	if len(keys) != 17 || keys[0] != "general.architecture" || keys[16] != "small.nothing" {
		t.Errorf("keys %q", keys)
	}
	for k := range ix.Metadata() { // stopping early is fine
		if k != keys[0] {
			t.Errorf("first key is %q", k)
		}
		break
	}
	if off := ix.KeyOffset("general.architecture"); off != 24+8+20 {
		t.Errorf("value of the first key at byte %d", off)
	}
	if off := ix.KeyOffset("none"); off != -1 {
		t.Errorf("value of a key that is not there at byte %d", off)
	}
	if _, ok := ix.Lookup("none"); ok {
		t.Error("a key that is not there was found")
	}
	if _, ok := ix.Tensor("none"); ok {
		t.Error("a tensor that is not there was found")
	}
	if ix.Bytes() != 20+36+12 {
		t.Errorf("%d bytes of tensors", ix.Bytes())
	}
}

func TestTensorsSayWhereTheirBytesAre(t *testing.T) {
	ix := modeltest.Open(t, modeltest.Write(t, ggufcases.Small()))
	for _, tt := range []struct {
		name  string
		typ   gguf.Type
		shape []uint64
		size  int
		first byte // the data are 1, 2, 3, …
	}{
		{"f32", gguf.TypeF32, []uint64{5}, 20, 1},
		{"q4_0", gguf.TypeQ4_0, []uint64{32, 2}, 36, 33},
		{"f16", gguf.TypeF16, []uint64{2, 1, 3, 1}, 12, 97},
	} {
		tensor, ok := ix.Tensor(tt.name)
		if !ok || tensor.Name != tt.name || tensor.Type != tt.typ || !slices.Equal(tensor.Shape, tt.shape) || tensor.Size != uint64(tt.size) {
			t.Errorf("tensor %s: %+v", tt.name, tensor)
		}
		data := make([]byte, tensor.Size)
		if _, err := ix.File(tensor.File).ReadAt(data, tensor.Offset); err != nil || data[0] != tt.first {
			t.Errorf("tensor %s begins with %d (%v), want %d", tt.name, data[0], err, tt.first)
		}
	}
}

func TestPathsThatAreNoFiles(t *testing.T) {
	folder := t.TempDir()
	for _, tt := range []struct {
		name, path string
		want       error
	}{
		{"a folder", folder, gguf.ErrFormat},
		{"a missing file", filepath.Join(folder, "none.gguf"), fs.ErrNotExist},
		{"a file in a missing folder", filepath.Join(folder, "none", "none.gguf"), fs.ErrNotExist},
		{"an empty path", "", fs.ErrNotExist},
		{"the null device", os.DevNull, gguf.ErrFormat},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := loader.Open(tt.path); !errors.Is(err, tt.want) {
				t.Errorf("error %v, want one that is %v", err, tt.want)
			}
		})
	}
}

func TestErrorIsOneLineWhateverTheNames(t *testing.T) {
	evil := "\x1b[2Jgone\nsecond line\u202e" + strings.Repeat("long", 100)
	path := filepath.Join(t.TempDir(), "a\nb.gguf")
	content := ggufcases.File{Keys: [][]byte{ggufcases.Key(evil, 99)}}.Bytes()
	if err := os.WriteFile(path, append(content, make([]byte, 40)...), 0o600); err != nil {
		t.Skipf("this system has no such file names: %v", err)
	}
	_, err := loader.Open(path)
	wantFormatError(t, err, "key ", "of value type 99")
	if strings.ContainsAny(err.Error(), "\u202e") || len(err.Error()) > len(path)+400 {
		t.Errorf("%q", err)
	}
}

func TestCloseTwiceAndUseAfterwards(t *testing.T) {
	ix, err := loader.OpenWith(modeltest.Write(t, ggufcases.Small()), structure)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := ix.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := ix.Changed(); !errors.Is(err, files.ErrClosed) {
		t.Errorf("Changed after Close: %v", err)
	}
	if v, ok := ix.Lookup("small.string"); !ok || v.String() != "zwölf" {
		t.Errorf("metadata after Close: %v %v", v, ok)
	}
	if _, _, err := ix.WriteSkeleton(new(bytes.Buffer)); err != nil {
		t.Errorf("skeleton after Close: %v", err)
	}
}

func TestIndexIsUsedByManyAtOnce(t *testing.T) {
	ix := modeltest.Open(t, modeltest.Write(t, ggufcases.Small()))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				v, _ := ix.Lookup("small.strings")
				if s, _ := v.At(2).Str(); s != "ccc" {
					t.Errorf("element 2 is %q", s)
				}
				for _, tensor := range ix.Tensors() {
					if got, ok := ix.Tensor(tensor.Name); !ok || got.Offset != tensor.Offset {
						t.Errorf("tensor %v", got)
					}
				}
				if err := ix.Changed(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestChangedNoticesWhatHappensToTheFile(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(path string) error
		want error
	}{
		{"nothing", func(string) error { return nil }, nil},
		{"it is read", func(path string) error { _, err := os.ReadFile(path); return err }, nil},
		{"it is cut short", func(path string) error { return os.Truncate(path, 100) }, files.ErrFileChanged},
		{"it grows", func(path string) error { return os.Truncate(path, 1<<20) }, files.ErrFileChanged},
		{"it is written to", func(path string) error {
			return os.Chtimes(path, time.Time{}, time.Now().Add(time.Second))
		}, files.ErrFileChanged},
		{"another takes its name", func(path string) error {
			if err := os.WriteFile(path+".new", []byte("other"), 0o600); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		}, nil},
		{"it is removed", os.Remove, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ix := modeltest.Open(t, modeltest.Write(t, ggufcases.Small()))
			if err := tt.do(ix.Path()); err != nil {
				t.Skipf("this system does not allow that: %v", err)
			}
			if err := ix.Changed(); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

func TestNumbersThatTheEngineWouldChokeOn(t *testing.T) {
	keys := ggufcases.ManyKeys(1<<14+1, 0)
	var many ggufcases.File
	for i := range 1<<15 + 1 {
		many.Tensors = append(many.Tensors, ggufcases.Tensor{Name: ggufcases.ManyKeysName(i), Dims: []uint64{8}, Offset: 32 * uint64(i)})
	}
	many.Data = 32 * uint64(len(many.Tensors))
	for _, tt := range []struct {
		name, want, value string
		content           []byte
	}{
		{"keys", "key count", "16385", keys},
		{"tensors", "tensor count", "32769", many.Bytes()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := modeltest.Write(t, tt.content)
			_, err := loader.Open(path)
			wantFormatError(t, err, tt.want, tt.value)
			modeltest.Open(t, path) // to look at it is another matter
		})
	}
}

func TestModelOfTheRepositoryIsRead(t *testing.T) {
	path := filepath.Join("..", "models", "tiny", "tiny-stories-f16.gguf")
	if _, err := os.Stat(path); err != nil {
		t.Skipf("the model is not there: %v", err)
	}
	ix, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Close()
	if ix.Architecture() != "llama" || len(ix.Tensors()) != 56 || ix.Bytes() != 7877632 {
		t.Errorf("architecture %q, %d tensors of %d bytes", ix.Architecture(), len(ix.Tensors()), ix.Bytes())
	}
	var out bytes.Buffer
	header, _, err := ix.WriteSkeleton(&out)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), file[:header]) {
		t.Error("the header written again is another one")
	}
}
