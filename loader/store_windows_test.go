package loader_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/windows"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/packed"
)

// hold opens a file as most programs do: nobody else can rename or remove it meanwhile.
func hold(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestWhatIsInUseStaysInAStore(t *testing.T) {
	s := packed.NewStore(t.TempDir())
	path := s.Path("held")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := hold(t, path)
	for name, remove := range map[string]func(string) error{"Remove": s.Remove, "RemoveUnused": s.RemoveUnused} {
		if err := remove(path); !errors.Is(err, files.ErrFileInUse) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.Close()
	if err := s.Remove(path); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestAMappedFileLeavesTheStore(t *testing.T) {
	s := packed.NewStore(t.TempDir())
	path := s.Path("mapped")
	if err := os.WriteFile(path, tinyFile(t), 0o600); err != nil {
		t.Fatal(err)
	}
	index, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := loader.NewPlan(index, loader.PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w, err := loader.MapWeights(t.Context(), index, plan, loader.MapOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(w.Close(), index.Close()); err != nil {
			t.Error(err)
		}
		files.RemoveAbandoned(s.Dir())
	}()
	err = s.Remove(path)
	if _, there := os.Stat(path); !errors.Is(there, fs.ErrNotExist) {
		t.Errorf("it has not left the store: %v", there)
	}
	if err == nil {
		t.Skip("this system removes what is mapped (wine)")
	}
	if !errors.Is(err, files.ErrFileInUse) {
		t.Fatal(err)
	}
	if n, _ := files.RemoveAbandoned(s.Dir()); n != 0 {
		t.Error("removed while it is mapped")
	}
}

func TestAFileThatOthersKeepClosedIsInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := os.WriteFile(path, tinyFile(t), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := windows.UTF16PtrFromString(path)
	if err != nil {
		t.Fatal(err)
	}
	h, err := windows.CreateFile(p, windows.GENERIC_READ|windows.GENERIC_WRITE, 0, nil, windows.OPEN_EXISTING, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = loader.Open(path)
	if !errors.Is(err, files.ErrFileInUse) || !errors.Is(err, windows.ERROR_SHARING_VIOLATION) || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
	windows.CloseHandle(h)
	hold(t, path)
	err = files.WriteFile(path, func(f *os.File) error { return nil })
	if !errors.Is(err, files.ErrFileInUse) || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
}

func TestDataStreamsAreRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := os.WriteFile(path, tinyFile(t), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path + ":hidden", path + "::$DATA", "model.gguf:x"} {
		if _, err := loader.Open(name); err == nil || !strings.Contains(err.Error(), "data stream") {
			t.Errorf("%s: %v", name, err)
		}
		if err := files.WriteFile(name, func(*os.File) error { return nil }); err == nil || !strings.Contains(err.Error(), "data stream") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{path, `\\?\` + path, filepath.ToSlash(path)} {
		index, err := loader.Open(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		index.Close()
	}
}

// tinyFile is what a small model's file holds.
func tinyFile(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "models", "tiny", "tiny-stories-f16.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
