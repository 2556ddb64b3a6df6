//go:build cgo

package runtime_test

import (
	"encoding/binary"
	"errors"
	"math"
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

func TestCheckRefusesNumbersThatAreNone(t *testing.T) {
	path := computing(t, "llama")
	ix, err := loader.Open(path)
	memtest.Need(t, err)
	norm, _ := ix.Tensor("blk.2.ffn_norm.weight")
	ix.Close()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	memtest.Need(t, err)
	_, err = f.WriteAt(binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(math.NaN()))), norm.Offset)
	memtest.Need(t, errors.Join(err, f.Close()))
	_, err = runtime.Check(t.Context(), path, runtime.CheckOptions{})
	if !errors.Is(err, runtime.ErrBadModel) || !strings.Contains(err.Error(), "NaN") || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
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
