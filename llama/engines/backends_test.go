//go:build unix

package engines_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama/engines"
)

// Distributions have the backends, that for the CPU among them, in a folder of their own.
func TestBackendsOfDistributions(t *testing.T) {
	three := map[string][]byte{file("llama"): own("llama"), file("ggml"): own("ggml"), file("ggml-base"): own("base")}
	cpu := map[string][]byte{file("ggml-cpu-haswell"): own("cpu")}
	for _, tt := range []struct {
		name string
		make func(top string) (lib, backends string)
	}{
		{"beside the libraries", func(top string) (string, string) {
			makeFiles(t, top, cpu)
			return top, top
		}},
		{"Debian", func(top string) (string, string) { return top, filepath.Join(top, "ggml", "backends0") }},
		{"Arch", func(top string) (string, string) { return top, filepath.Join(top, "ggml", "backends") }},
		{"Gentoo", func(top string) (string, string) { return top, filepath.Join(top, "llama-cpp") }},
		{"Homebrew", func(top string) (string, string) {
			keg := filepath.Join(top, "Cellar", "ggml", "1")
			makeFiles(t, filepath.Join(keg, "lib"), map[string][]byte{file("ggml"): own("ggml")})
			lib := filepath.Join(top, "lib")
			makeFiles(t, lib, nil)
			memtest.Need(t, memtest.Symlink(filepath.Join(keg, "lib", file("ggml")), filepath.Join(lib, file("ggml"))))
			return lib, filepath.Join(keg, "libexec")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			user := userFolder(t)
			lib, backends := tt.make(privateDir(t))
			makeFiles(t, backends, cpu)
			for name, text := range three {
				if _, err := os.Stat(filepath.Join(lib, name)); err != nil {
					makeFiles(t, lib, map[string][]byte{name: text})
				}
			}
			f, err := engines.Open(lib)
			if err != nil || f.Usable() != nil || !slices.Equal(f.Backends, []string{"cpu-haswell"}) || !slices.Equal(f.BackendDirs, []string{backends}) {
				t.Fatalf("%+v, %v", f, err)
			}
			first := hash(t, f)
			copied, err := engines.Add(t.Context(), lib, engines.Options{Name: "copied"})
			if err != nil || hash(t, copied) != first || !slices.Equal(copied.BackendDirs, []string{filepath.Join(user, "copied")}) {
				t.Errorf("%+v, %v", copied, err)
			}
			makeFiles(t, backends, map[string][]byte{file("ggml-cpu-haswell"): own("CPU")})
			if hash(t, f) == first {
				t.Error("a changed backend has no part in the hash")
			}
			if err := os.Chmod(backends, 0o777); err != nil {
				t.Fatal(err)
			}
			if f, err := engines.Open(lib); err != nil || f.Untrusted == nil {
				t.Errorf("others can write to the backends: %+v, %v", f, err)
			}
		})
	}
}
