//go:build cgo

package llama_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/enginetest"
	"github.com/seed7adf6694/infer/llama"
)

// accessors are functions of ggml that look into a struct, with the index of the word that they use. A
// function of the struct is called, a plain word returned.
var accessors = []struct {
	name  string
	word  int
	call  bool
	value string // type of the result
}{
	{"ggml_backend_buft_name", 0, true, "void *"},
	{"ggml_backend_buft_get_alignment", 2, true, "size_t"},
	{"ggml_backend_buft_get_max_size", 3, true, "size_t"},
	{"ggml_backend_buft_get_device", 7, false, "void *"},
	{"ggml_backend_buffer_get_type", 9, false, "void *"},
	{"ggml_backend_buffer_get_size", 11, false, "size_t"},
	{"ggml_backend_buffer_get_usage", 12, false, "int"},
	{"ggml_backend_name", 1, true, "void *"},
	{"ggml_backend_guid", 0, false, "void *"},
	{"ggml_backend_get_device", 18, false, "void *"},
	{"ggml_backend_dev_name", 0, true, "void *"},
	{"ggml_backend_dev_description", 1, true, "void *"},
	{"ggml_backend_dev_type", 3, true, "int"},
	{"ggml_backend_dev_buffer_type", 6, true, "void *"},
	{"ggml_backend_dev_host_buffer_type", 7, true, "void *"},
	{"ggml_backend_dev_backend_reg", 16, false, "void *"},
	{"ggml_backend_reg_name", 1, true, "void *"},
	{"ggml_backend_reg_dev_count", 2, true, "size_t"},
}

// baseSource is the source of a library with ggml's base functions. version is C code; moved is the
// accessor that looks one word further than this engine's, lost one that is missing.
func baseSource(version, moved, lost string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "#include <stddef.h>\nconst char *ggml_version(void) { return %s; }\nconst char *ggml_commit(void) { return 0; }\nsize_t ggml_tensor_overhead(void) { return 368; }\n", version)
	for _, a := range accessors {
		word := a.word
		switch a.name {
		case lost:
			continue
		case moved:
			word++
		}
		value := fmt.Sprintf("object[%d]", word)
		if a.call {
			value = fmt.Sprintf("((size_t (*)(void *)) %s)(object)", value)
		}
		fmt.Fprintf(&b, "%s %s(size_t *object) { return (%s) %s; }\n", a.value, a.name, a.value, value)
	}
	return b.String()
}

// Libraries of another engine are refused before any of their backends is loaded.
func TestBackendsOfAnotherEngineAreRefused(t *testing.T) {
	enginetest.NeedBuiltin(t, "backends are loaded with the engine")
	cc, err := exec.LookPath("cc")
	if err != nil || runtime.GOOS == "windows" {
		t.Skip("no C compiler cc for libraries of this system")
	}
	compile := func(dir, source string) {
		t.Helper()
		cmd := exec.Command(cc, "-shared", "-fPIC", "-w", "-o", filepath.Join(dir, "libggml-base.so"), "-x", "c", "-")
		cmd.Stdin = strings.NewReader(source)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	for name, tt := range map[string]struct {
		make func(dir string)
		want string // part of the reason; "": accepted
	}{
		"no base": {func(dir string) {}, "libggml-base"},
		"a text file": {func(dir string) {
			if err := os.WriteFile(filepath.Join(dir, "libggml-base.so"), []byte("no library"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "libggml-base.so"},
		"another version":  {func(dir string) { compile(dir, baseSource(`"0.25.1"`, "", "")) }, "0.25.1"},
		"without function": {func(dir string) { compile(dir, baseSource("0", "", "ggml_backend_reg_name")) }, "ggml_backend_reg_name"},
		"another layout":   {func(dir string) { compile(dir, baseSource("0", "ggml_backend_dev_type", "")) }, "ggml_backend_dev_type"},
		"this engine's":    {func(dir string) { compile(dir, baseSource("0", "", "")) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "libggml-none.so"), nil, 0o600); err != nil { // a backend that nobody loads
				t.Fatal(err)
			}
			tt.make(dir)
			check := func(err error) {
				t.Helper()
				if tt.want == "" && err != nil || tt.want != "" && (!errors.Is(err, llama.ErrEngineVersion) || !strings.Contains(err.Error(), tt.want)) {
					t.Errorf("got %v, want a reason with %q", err, tt.want)
				}
			}
			check(llama.LoadBackends(dir))
			t.Chdir(dir)
			check(llama.LoadBackends("."))
			t.Setenv("GGML_BACKEND_PATH", filepath.Join(dir, "libggml-none.so"))
			if tt.want != "" {
				check(llama.LoadBackends(t.TempDir()))
			}
		})
	}
	if err := llama.LoadBackends(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}
