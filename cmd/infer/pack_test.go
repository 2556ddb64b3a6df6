package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/llama"
)

func TestPackAndCheck(t *testing.T) {
	needEngine(t)
	if !llama.CanRepack() {
		t.Skip("the engine was compiled without repacking (-DGGML_USE_CPU_REPACK)")
	}
	dir := t.TempDir()
	in, out := filepath.Join(dir, "model.gguf"), filepath.Join(dir, "model.packed.gguf")
	if r := call(t, "quantize", "-q", tinyF16, in, "q4_0"); r.code != 0 {
		t.Fatal(r.stderr)
	}
	r := call(t, "pack", "-m", in)
	if r.code != 0 || r.out != "" || !strings.HasPrefix(r.stderr, "infer: wrote "+out) || strings.Count(r.stderr, "\n") != 1 {
		t.Fatalf("exit code %d, stdout %q, stderr %q", r.code, r.out, r.stderr)
	}
	want := call(t, "-m", in, "--load", "copy", "-p", "Once", "-n", "12", "--temp", "0")
	got := call(t, "-m", out, "-p", "Once", "-n", "12", "--temp", "0")
	if got.code != 0 || got.out != want.out || !strings.Contains(got.stderr, "(mmap, packed: ") {
		t.Errorf("exit code %d, stdout %q, stderr %q; a copy says %q", got.code, got.out, got.stderr, want.out)
	}
	for _, tt := range []struct {
		name string
		args []string
		code int
		says string // on one of the streams
	}{
		{"it is there already", []string{"pack", in}, exitFailure, "--force"},
		{"to be replaced", []string{"pack", "--force", "-q", in, out}, 0, ""},
		{"a packed file", []string{"pack", out}, exitUsage, "packed file"},
		{"nothing to gain", []string{"pack", tinyF16, filepath.Join(dir, "f16.gguf")}, exitFailure, "nothing to pack"},
		{"over the model itself", []string{"pack", "--force", in, in}, exitFailure, "another file"},
		{"too many arguments", []string{"pack", "a", "b", "c"}, exitUsage, ""},
		{"checked", []string{"check", out}, 0, "equal to the engine's repacking of the source"},
		{"a plain file, checked", []string{"check", in}, 0, ": ok: llama"},
		{"checked quietly", []string{"check", "-q", out}, 0, ""},
		{"a copy of it", []string{"-m", out, "--load", "copy", "-p", "a", "-n", "1"}, exitUsage, in},
		{"the engine's own way", []string{"-m", out, "--load", "stock", "-p", "a", "-n", "1"}, exitUsage, in},
		{"inspected", []string{"inspect", out}, 0, "packed from"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := call(t, tt.args...)
			if r.code != tt.code || !strings.Contains(r.out+r.stderr, tt.says) || tt.says == "" && tt.code == 0 && r.out+r.stderr != "" {
				t.Errorf("exit code %d, stdout %q, stderr %q", r.code, r.out, r.stderr)
			}
		})
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-100] ^= 4
	if err := os.WriteFile(out, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := call(t, "check", out); r.code != exitFailure || r.out != "" || !strings.Contains(r.stderr, "pack the model again") {
		t.Errorf("a damaged file: exit code %d, stdout %q, stderr %q", r.code, r.out, r.stderr)
	}
}

func TestPackedName(t *testing.T) {
	for in, want := range map[string]string{
		"model.gguf": "model.packed.gguf", "a/model-Q4_0.gguf": "a/model-Q4_0.packed.gguf", "model": "model.packed.gguf",
		"model-00001-of-00003.gguf": "model.packed.gguf",
	} {
		if got := packedName(filepath.FromSlash(in)); got != filepath.FromSlash(want) {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func TestTheCacheOfPackedFiles(t *testing.T) {
	needEngine(t)
	if !llama.CanRepack() {
		t.Skip("the engine was compiled without repacking (-DGGML_USE_CPU_REPACK)")
	}
	dir := filepath.Join(t.TempDir(), "cache")
	if r := call(t, "cache", "list", "--packed-cache", dir); r.code != 0 || !strings.Contains(r.out, "0 packed files") {
		t.Errorf("%+v", r)
	}
	want := call(t, "-p", "Once", "-n", "8", "--temp", "0", "--packed", "off")
	for range 2 {
		r := call(t, "-p", "Once", "-n", "8", "--temp", "0", "--packed", "require", "--packed-cache", dir)
		if r.code != 0 || r.out != want.out || !strings.Contains(r.stderr, "from the cache") {
			t.Errorf("%+v, want %q", r, want.out)
		}
	}
	if r := call(t, "cache", "list", "--packed-cache", dir); r.code != 0 || !strings.Contains(r.out, "1 packed file,") || !strings.Contains(r.out, "tiny-stories") {
		t.Errorf("%+v", r)
	}
	if r := call(t, "cache", "list", "--json", "--packed-cache", dir); r.code != 0 || !strings.Contains(r.out, `"total_bytes":2`) {
		t.Errorf("%+v", r)
	}
	if r := call(t, "cache", "clear", "--packed-cache", dir); r.code != 0 || !strings.Contains(r.out, "removed 1 packed file") {
		t.Errorf("%+v", r)
	}
	if r := call(t, "cache", "list", "--packed-cache", dir); !strings.Contains(r.out, "0 packed files") {
		t.Errorf("%+v", r)
	}
	for _, args := range [][]string{{"cache"}, {"cache", "fill"}, {"cache", "list", "x"}, {"-p", "a", "--packed", "maybe"}, {"-p", "a", "--packed", "require", "--load", "copy"}} {
		if r := call(t, args...); r.code != exitUsage {
			t.Errorf("%q: %+v", args, r)
		}
	}
}
