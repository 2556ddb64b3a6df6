package engines_test

import (
	"archive/tar"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed7adf6694/infer/llama/engines"
)

// Whatever an archive holds: an engine or a known error, and nothing beside the engine's folder.
func FuzzAdd(f *testing.F) {
	entries := append(engineIn("x/"), entry{name: "x/" + file("a"), link: file("ggml-base"), kind: tar.TypeSymlink}, entry{name: "LICENSE", text: "MIT"})
	f.Add(tgz(f, entries))
	f.Add(zipped(f, entries))
	f.Add(tgz(f, []entry{{name: "../a", text: "b"}}))
	f.Add([]byte("\x1f\x8b"))
	f.Add([]byte("PK\x03\x04"))
	f.Fuzz(func(t *testing.T, archive []byte) {
		user := userFolder(t)
		path := filepath.Join(t.TempDir(), "a.tgz")
		if err := os.WriteFile(path, archive, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := engines.Add(t.Context(), path, engines.Options{Limits: engines.Limits{Unpacked: 1 << 20, Entries: 100}})
		if err == nil {
			wantFiles(t, user, "a")
			if got.Usable() != nil {
				t.Error(got.Usable())
			}
			entries, err := os.ReadDir(got.Path)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if !e.Type().IsRegular() {
					t.Errorf("%s is no file", e.Name())
				}
			}
			return
		}
		if !errors.Is(err, engines.ErrArchive) && !errors.Is(err, engines.ErrNoEngine) {
			t.Errorf("%v", err)
		}
		wantLine(t, err)
		wantFiles(t, user)
	})
}
