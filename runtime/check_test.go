//go:build cgo

package runtime_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/runtime"
)

// computing writes one of [ggufcases.Computing] into a file.
func computing(t *testing.T, name string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), name+".gguf")
	for _, b := range ggufcases.ComputingWith(llama.Engine().ABI, name) {
		memtest.Need(t, os.WriteFile(path, b, 0o600))
		return path
	}
	t.Fatalf("no model %q", name)
	return ""
}

func TestCheckComputes(t *testing.T) {
	for _, tt := range []struct {
		path  string
		modes string
	}{
		{tinyF16, "mmap stock"},
		{model(t, "tiny", "q4_0"), "mmap stock"},
		{computing(t, "rwkv7"), "mmap stock"},
		{computing(t, "t5"), "mmap stock"},
		{computing(t, "t5encoder"), "mmap stock"},
		{computing(t, "bert"), "mmap stock"},
		{computing(t, "bert"), "mmap stock"},
		{computing(t, "gpt2"), "mmap stock"}, // has few positions
	} {
		c, err := runtime.Check(t.Context(), tt.path, runtime.CheckOptions{})
		if got := strings.Join(c.Modes, " "); err != nil || got != tt.modes || c.NotComputed != "" {
			t.Errorf("%s: computed in %q, %q, %v", tt.path, got, c.NotComputed, err)
		}
	}
	c, err := runtime.Check(t.Context(), computing(t, "wavtokenizer-dec"), runtime.CheckOptions{})
	if err != nil || c.Modes != nil || !strings.Contains(c.NotComputed, "audio") {
		t.Errorf("a codec: %+v, %v", c, err)
	}
	c, err = runtime.Check(t.Context(), tinyF16, runtime.CheckOptions{NoCompute: true})
	if err != nil || c.Modes != nil || c.NotComputed != "" {
		t.Errorf("without computing: %+v, %v", c, err)
	}
}

func TestCheckComputesAPackedModelAndItsSource(t *testing.T) {
	if !llama.CanRepack() {
		t.Skip("the engine was compiled without repacking")
	}
	source := filepath.Join(t.TempDir(), "model.gguf")
	b, err := os.ReadFile(model(t, "tiny", "q4_0"))
	memtest.Need(t, err)
	memtest.Need(t, os.WriteFile(source, b, 0o600))
	file := packedOf(t, source)
	c, err := runtime.Check(t.Context(), file, runtime.CheckOptions{})
	if want := []string{"mmap", "copy of the source"}; err != nil || !slices.Equal(c.Modes, want) {
		t.Errorf("%+v, %v", c, err)
	}
	memtest.Need(t, os.Remove(source))
	c, err = runtime.Check(t.Context(), file, runtime.CheckOptions{})
	if want := []string{"mmap"}; err != nil || !slices.Equal(c.Modes, want) {
		t.Errorf("without the source: %+v, %v", c, err)
	}
}

// damagedModel makes a model with ones in all bits of a tensor's last block: NaN in numbers and scales.
func damagedModel(t *testing.T, tensor string) string {
	path := filepath.Join(t.TempDir(), "damaged.gguf")
	whole, err := os.ReadFile(model(t, "tiny", "q4_0"))
	memtest.Need(t, err)
	memtest.Need(t, os.WriteFile(path, whole, 0o600))
	ix, err := loader.Open(path)
	memtest.Need(t, err)
	at, ok := ix.Tensor(tensor)
	ix.Close()
	if !ok {
		t.Fatal("no tensor ", tensor)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	memtest.Need(t, err)
	block := int64(at.Type.BlockBytes())
	_, err = f.WriteAt(bytes.Repeat([]byte{0xff}, int(block)), at.Offset+int64(at.Size)-block)
	memtest.Need(t, errors.Join(err, f.Close()))
	return path
}

func TestCheckRefusesNumbersThatAreNone(t *testing.T) {
	for _, tensor := range damaged {
		path := damagedModel(t, tensor)
		_, err := runtime.Check(t.Context(), path, runtime.CheckOptions{})
		if !errors.Is(err, runtime.ErrBadModel) || !strings.Contains(err.Error(), "NaN") || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), tensor) {
			t.Errorf("%s: %v", tensor, err)
		}
	}
}

// damaged are tensors of three types; a few tokens are computed without the last row of the embeddings.
var damaged = []string{"blk.0.ffn_up.weight", "blk.0.ffn_norm.weight", "token_embd.weight"}

func TestOpenChecksTensorsInEachMode(t *testing.T) {
	for _, tensor := range damaged {
		path := damagedModel(t, tensor)
		for _, load := range []runtime.LoadMode{runtime.LoadAuto, runtime.LoadMMap, runtime.LoadCopy, runtime.LoadStock} {
			if m, err := runtime.Open(t.Context(), path, runtime.Options{Load: load}); err != nil {
				t.Errorf("%s, %s, not checked: %v", tensor, load, err)
			} else {
				m.Close()
			}
			_, err := runtime.Open(t.Context(), path, runtime.Options{Load: load, CheckTensors: true})
			if !errors.Is(err, runtime.ErrBadModel) || !strings.Contains(err.Error(), tensor) {
				t.Errorf("%s, %s: %v", tensor, load, err)
			}
		}
	}
	checked := false
	m, err := runtime.Open(t.Context(), model(t, "tiny", "q4_0"), runtime.Options{CheckTensors: true, Progress: func(p runtime.Progress) {
		checked = checked || p.Checking && p.Done == p.Total
	}})
	if err != nil || !checked {
		t.Fatal(err, checked)
	}
	m.Close()
}

func TestOpenChecksTensorsOfPackedFiles(t *testing.T) {
	if !llama.CanRepack() {
		t.Skip("the engine was compiled without repacking")
	}
	for _, tensor := range damaged {
		path, dir := damagedModel(t, tensor), t.TempDir()
		for _, check := range []bool{false, true} {
			m, err := runtime.Open(t.Context(), path, runtime.Options{Packed: runtime.PackedRequire, CacheDir: dir, CheckTensors: check})
			if check != errors.Is(err, runtime.ErrBadModel) || check && !strings.Contains(err.Error(), tensor) {
				t.Errorf("%s, check %t: %v", tensor, check, err)
			}
			if err == nil {
				m.Close()
			}
		}
		if m, err := runtime.Open(t.Context(), packedOf(t, path), runtime.Options{CheckTensors: true}); !errors.Is(err, runtime.ErrBadModel) || !strings.Contains(err.Error(), tensor) {
			t.Errorf("%s, a packed file that is named: %v, %v", tensor, m, err)
		}
		if _, err := runtime.Check(t.Context(), packedOf(t, path), runtime.CheckOptions{}); !errors.Is(err, runtime.ErrBadModel) || !strings.Contains(err.Error(), tensor) {
			t.Errorf("%s, a packed file: %v", tensor, err)
		}
	}
	file := packedOf(t, model(t, "tiny", "q4_0"))
	ix, err := loader.Open(file)
	memtest.Need(t, err)
	at := ix.Tensors()[len(ix.Tensors())/2]
	ix.Close()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	memtest.Need(t, err)
	one := make([]byte, 1)
	_, err = f.ReadAt(one, at.Offset)
	memtest.Need(t, err)
	_, err = f.WriteAt([]byte{one[0] ^ 1}, at.Offset)
	memtest.Need(t, errors.Join(err, f.Close()))
	if _, err := runtime.Open(t.Context(), file, runtime.Options{CheckTensors: true}); !errors.Is(err, runtime.ErrBadModel) || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a changed packed file: %v", err)
	}
}

// A model of 768 GiB in a sparse file.
func TestCheckSaysThatAModelIsTooLargeToCompute(t *testing.T) {
	ix, err := loader.Open(computing(t, "llama"))
	memtest.Need(t, err)
	defer ix.Close()
	const wide = 1 << 28
	var w gguf.Writer
	for key, v := range ix.Metadata() {
		if key == "llama.feed_forward_length" {
			v = gguf.Uint32Value(wide)
		}
		w.Add(key, v)
	}
	for _, x := range ix.Tensors() {
		shape := slices.Clone(x.Shape)
		for i, n := range shape {
			if n == 96 {
				shape[i] = wide
			}
		}
		w.AddTensor(x.Name, x.Type, shape...)
	}
	path := filepath.Join(t.TempDir(), "large.gguf")
	f, err := os.Create(path)
	memtest.Need(t, err)
	header, err := w.WriteHeader(f)
	memtest.Need(t, err)
	err = f.Truncate(header + int64(w.DataBytes()))
	f.Close()
	if err != nil {
		t.Skipf("no file of so many bytes that are not there: %v", err)
	}
	c, err := runtime.Check(t.Context(), path, runtime.CheckOptions{})
	if err != nil || c.Modes != nil || !strings.Contains(c.NotComputed, words.Size(c.Bytes)) {
		t.Errorf("%+v, %v", c, err)
	}
}
