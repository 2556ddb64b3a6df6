package files_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/internal/memtest"
)

func text(s string) func(*os.File) error {
	return func(f *os.File) error {
		_, err := f.WriteString(s)
		return err
	}
}

func TestPublishLeavesNothingBehindWhenItFails(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		name string
		fill func(*os.File) error
	}{
		{"nothing was written", func(*os.File) error { return broken }},
		{"half was written", func(f *os.File) error { return errors.Join(text("half")(f), broken) }},
		{"it was closed too early", func(f *os.File) error { return errors.Join(f.Close(), broken) }},
		{"it was removed", func(f *os.File) error { return errors.Join(f.Close(), os.Remove(f.Name()), broken) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			old := filepath.Join(dir, "name")
			if err := os.WriteFile(old, []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := files.Publish(old, 0o644, c.fill); !errors.Is(err, broken) {
				t.Fatalf("got %v", err)
			}
			if got := memtest.FileNames(t, dir); !slices.Equal(got, []string{"name"}) {
				t.Errorf("%q", got)
			}
			if got, _ := os.ReadFile(old); string(got) != "old" {
				t.Errorf("the old file holds %q", got)
			}
		})
	}
	t.Run("the name is taken by a folder", func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "name")
		if err := os.MkdirAll(filepath.Join(path, "full"), 0o755); err != nil {
			t.Fatal(err)
		}
		err := files.Publish(path, 0o644, text(""))
		if err == nil || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "partial") {
			t.Errorf("got %v", err)
		}
		if got := memtest.FileNames(t, dir); !slices.Equal(got, []string{"name"}) {
			t.Errorf("%q", got)
		}
	})
}

func TestAnErrorAboutTheHiddenFileNamesTheOneThatWasAskedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "name")
	err := files.Publish(path, 0o644, func(f *os.File) error {
		_, err := os.ReadDir(f.Name())
		return fmt.Errorf("reading: %w", err)
	})
	var of *fs.PathError
	if !errors.As(err, &of) || of.Path != path || !strings.HasPrefix(err.Error(), "reading: ") || strings.Contains(err.Error(), "partial") {
		t.Errorf("got %v", err)
	}
}

func TestAbandonedFilesAreRemovedAndOthersStay(t *testing.T) {
	dir := t.TempDir()
	old := time.Now().Add(-time.Hour)
	for _, name := range []string{".a.gguf.infer-partial-00", "a.infer-partial-00", ".a.gguf.123.tmp", "other"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("half"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, ".d.infer-partial-00"), 0o755); err != nil {
		t.Fatal(err)
	}
	err := files.Publish(filepath.Join(dir, "first"), 0o644, func(f *os.File) error {
		if err := os.Chtimes(f.Name(), old, old); err != nil {
			return err
		}
		// Another writer in the same folder leaves alone what is in use.
		return files.Publish(filepath.Join(dir, "second"), 0o644, text("2"))
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{".a.gguf.123.tmp", ".d.infer-partial-00", "a.infer-partial-00", "first", "other", "second"}
	if got := memtest.FileNames(t, dir); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if n, size := files.RemoveAbandoned(filepath.Join(dir, "none")); n != 0 || size != 0 {
		t.Errorf("%d files, %d bytes", n, size)
	}
}

func TestAFileMayHaveTheLongestName(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("ä", 125)+".gguf")
	if err := files.WriteFile(path, text("text")); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); string(got) != "text" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestCheckWriteChangesNothing(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "old")
	memtest.Need(t, os.WriteFile(old, []byte("old"), 0o600))
	for _, path := range []string{old, filepath.Join(dir, "new")} {
		if err := files.CheckWrite(path); err != nil {
			t.Error(err)
		}
	}
	b, err := os.ReadFile(old)
	if names := memtest.FileNames(t, dir); err != nil || string(b) != "old" || !slices.Equal(names, []string{"old"}) {
		t.Errorf("%q, %q, %v", names, b, err)
	}
	for _, path := range []string{dir, filepath.Join(dir, "missing", "x"), ""} {
		if err := files.CheckWrite(path); err == nil {
			t.Errorf("%q can be written", path)
		}
	}
}
