package engines_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed7adf6694/infer/llama/engines"
)

// A library that is loaded is open without the right to remove it, as a file that Go opens.
func TestAnEngineInUseStays(t *testing.T) {
	user := userFolder(t)
	archive := archiveFile(t, "a.zip", zipped(t, engineIn("")))
	f, err := engines.Add(t.Context(), archive, engines.Options{})
	if err != nil {
		t.Fatal(err)
	}
	open, err := os.Open(filepath.Join(f.Path, file("ggml-base")))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if err := engines.Remove(t.Context(), "a"); !errors.Is(err, engines.ErrInUse) {
		t.Skipf("the system renames folders with open files: %v", err)
	}
	if _, err := engines.Add(t.Context(), archive, engines.Options{Replace: true}); !errors.Is(err, engines.ErrInUse) {
		t.Error(err)
	}
	wantFiles(t, user, "a")
	if f, err := engines.Open("a"); err != nil || f.Usable() != nil {
		t.Errorf("%+v, %v", f, err)
	}
	open.Close()
	if err := engines.Remove(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	wantFiles(t, user)
}
