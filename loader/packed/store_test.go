package packed_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/loader/packed"
)

// names are those of the files in a folder.
func TestAStoreKeepsWholeFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "store")
	s := packed.NewStore(dir)
	if files, err := s.Files(); err != nil || len(files) > 0 {
		t.Errorf("a folder that is not there: %v, %v", files, err)
	}
	if free, err := s.Free(); err != nil || free == 0 {
		t.Errorf("%d bytes free, %v", free, err)
	}
	l, err := s.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := packed.NewStore(dir).Lock(); !errors.Is(err, packed.ErrStoreBusy) {
		t.Errorf("locked twice: %v", err)
	}
	add := func(name string) {
		t.Helper()
		err := l.Add(name, func(f *os.File) error {
			_, err := f.WriteString(name)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	add("one")
	add("three")
	broken := errors.New("broken")
	if err := l.Add("two", func(f *os.File) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	want := []string{"lock", "one.packed.gguf", "three.packed.gguf"}
	if got := memtest.FileNames(t, dir); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	old := time.Now().Add(-time.Hour)
	for _, name := range []string{"one", "three"} {
		if err := os.Chtimes(s.Path(name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	s.MarkUsed(s.Path("one"))
	files, err := s.Files()
	if err != nil || len(files) != 2 || files[0].Path != s.Path("three") || files[1].Size != 3 || time.Since(files[1].Used) > time.Minute || !files[0].Used.Equal(old) {
		t.Errorf("%+v, %v", files, err)
	}
	if info, err := os.Stat(s.Path("one")); err != nil || !info.ModTime().Equal(old) {
		t.Error("the file's own time changed", err)
	}
	if err := errors.Join(s.Remove(s.Path("one")), s.Remove(s.Path("one"))); err != nil {
		t.Error(err)
	}

	// A process that was killed while writing leaves a partial file; its lock is released.
	part := filepath.Join(dir, ".x.infer-partial-123")
	if err := errors.Join(os.WriteFile(part, []byte("half"), 0o600), os.Chtimes(part, old, old)); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err = s.Lock(); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if got := memtest.FileNames(t, dir); !slices.Equal(got, []string{"lock", "three.packed.gguf"}) {
		t.Errorf("%v", got)
	}
}
