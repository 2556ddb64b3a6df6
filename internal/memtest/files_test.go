package memtest_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
)

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFilesThatChange(t *testing.T) {
	for _, c := range []struct {
		name          string
		change        func(path string) error
		reader, after string
	}{
		{"a replaced file stays with who has it open", func(p string) error { return memtest.ReplaceFile(p, []byte("new")) }, "old content", "new"},
		{"an overwritten file changes under its reader", func(p string) error { return memtest.Overwrite(p, 4, []byte("CON")) }, "old CONtent", "old CONtent"},
		{"a truncated file shrinks under its reader", func(p string) error { return os.Truncate(p, 3) }, "old", "old"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "f")
			writeFile(t, path, "old content")
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := c.change(path); err != nil {
				t.Skip("this system does not let go of an open file:", err)
			}
			open, err := io.ReadAll(f)
			if err != nil || string(open) != c.reader {
				t.Errorf("the reader sees %q, %v", open, err)
			}
			after, err := os.ReadFile(path)
			if err != nil || string(after) != c.after {
				t.Errorf("afterwards it is %q, %v", after, err)
			}
			if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
				t.Errorf("left behind: %v, %v", entries, err)
			}
		})
	}
}

func TestSmallDisk(t *testing.T) {
	dir := t.TempDir()
	undo, err := memtest.SmallDisk(dir, 1<<20)
	memtest.Need(t, err)
	err = os.WriteFile(filepath.Join(dir, "f"), make([]byte, 2<<20), 0o600)
	if err := undo(); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, errNoSpace) {
		t.Error(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("still mounted: %v, %v", entries, err)
	}
}

func TestReadOnlyDir(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "f"), "there before")
	undo, err := memtest.ReadOnlyDir(dir)
	memtest.Need(t, err)
	werr := os.WriteFile(filepath.Join(dir, "g"), nil, 0o600)
	_, rerr := os.ReadFile(filepath.Join(dir, "f"))
	if err := undo(); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(werr, errReadOnly) && !errors.Is(werr, fs.ErrPermission) {
		t.Error("writing:", werr)
	}
	if rerr != nil {
		t.Error("reading:", rerr)
	}
	writeFile(t, filepath.Join(dir, "g"), "writable again")
}

func TestDropCache(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	writeFile(t, path, string(make([]byte, 1<<20)))
	if n, err := memtest.Cached(path); err != nil || n != 1<<20 {
		memtest.Need(t, err)
		t.Errorf("%d bytes are cached after writing 1 MiB", n)
	}
	memtest.Need(t, memtest.DropCache(path))
	if n, err := memtest.Cached(path); err != nil || n != 0 {
		t.Errorf("%d bytes are cached: %v", n, err)
	}
}
