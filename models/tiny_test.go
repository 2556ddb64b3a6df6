package models

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/loader"
)

// withCache lets Tiny use fresh folders and returns them.
func withCache(t *testing.T) (cache, temp string) {
	t.Helper()
	cache, temp = t.TempDir(), t.TempDir()
	for _, name := range cacheVariables {
		t.Setenv(name, cache)
	}
	for _, name := range []string{"TMPDIR", "TMP"} {
		t.Setenv(name, temp)
	}
	return cache, temp
}

// walkFiles lists all that is not a folder below dir, by path from dir.
func walkFiles(dir string) (found []string, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			found = append(found, rel)
		}
		return err
	})
	return found, err
}

func filesUnder(t *testing.T, dir string) []string {
	t.Helper()
	found, err := walkFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func wantOnly(t *testing.T, dir string, names ...string) {
	t.Helper()
	got := filesUnder(t, dir)
	if strings.Join(got, "\n") != strings.Join(names, "\n") {
		t.Errorf("%s holds %q, want %q", dir, got, names)
	}
}

func wantTiny(t *testing.T, path string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != tinyContent {
		t.Fatalf("%s does not hold the embedded model", path)
	}
}

func TestTheEmbeddedModelIsTheOneThatIsDocumented(t *testing.T) {
	sum := sha256.Sum256([]byte(tinyContent))
	if got := hex.EncodeToString(sum[:]); got != TinySHA256 {
		t.Errorf("the embedded file has SHA-256 %s, TinySHA256 says %s", got, TinySHA256)
	}
	card, err := os.ReadFile("tiny/README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(card), TinySHA256) {
		t.Error("the model card names another SHA-256")
	}
	f16, err := os.ReadFile("tiny/tiny-stories-f16.gguf")
	if err != nil {
		t.Fatal(err)
	}
	sum = sha256.Sum256(f16)
	if !strings.Contains(string(card), hex.EncodeToString(sum[:])) {
		t.Error("the model card does not name the SHA-256 of the f16 file")
	}
}

func TestTinyIsPutIntoTheCacheFolder(t *testing.T) {
	cache, temp := withCache(t)
	path, err := Tiny()
	if err != nil {
		t.Fatal(err)
	}
	wantTiny(t, path)
	if !strings.HasPrefix(path, cache) {
		t.Errorf("%s is not in the cache folder %s", path, cache)
	}
	if got := filesUnder(t, cache); len(got) != 1 {
		t.Errorf("the cache folder holds %q", got)
	}
	wantOnly(t, temp)
}

func TestTinyKeepsAGoodCopy(t *testing.T) {
	withCache(t)
	path, err := Tiny()
	if err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-24 * time.Hour).Truncate(time.Second)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	again, err := Tiny()
	if err != nil || again != path {
		t.Fatalf("got %q, %v", again, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if !info.ModTime().Equal(old) {
		t.Error("a good copy was written again")
	}
}

func TestTinyRepairsABadCopy(t *testing.T) {
	write := func(content string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	damaged := []byte(tinyContent)
	damaged[len(damaged)/2] ^= 1
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, path string)
	}{
		{"one bit is wrong", write(string(damaged))},
		{"the last byte is missing", write(tinyContent[:len(tinyContent)-1])},
		{"a byte too many", write(tinyContent + "x")},
		{"it is empty", write("")},
		{"it is a link to a good copy elsewhere", func(t *testing.T, path string) {
			other := filepath.Join(t.TempDir(), "other")
			write(tinyContent)(t, other)
			os.Remove(path)
			link(t, other, path)
		}},
		{"it is a link to nothing", func(t *testing.T, path string) {
			os.Remove(path)
			link(t, filepath.Join(t.TempDir(), "nothing"), path)
		}},
		{"it is gone", func(t *testing.T, path string) { os.Remove(path) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			cache, temp := withCache(t)
			path, err := Tiny()
			if err != nil {
				t.Fatal(err)
			}
			c.spoil(t, path)
			again, err := Tiny()
			if err != nil || again != path {
				t.Fatalf("got %q, %v", again, err)
			}
			if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
				t.Errorf("%v, %v", info, err)
			}
			wantTiny(t, path)
			rel, _ := filepath.Rel(cache, path)
			wantOnly(t, cache, rel)
			wantOnly(t, temp)
		})
	}
}

func link(t *testing.T, to, from string) {
	t.Helper()
	memtest.Need(t, memtest.Symlink(to, from))
}

func TestTinyGoesToTheTemporaryFolderWithoutACache(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		cache string
	}{
		{"there is no home", ""},
		{"the cache folder is below a file", file},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, temp := withCache(t)
			for _, name := range cacheVariables {
				t.Setenv(name, c.cache)
			}
			path, err := Tiny()
			if err != nil {
				t.Fatal(err)
			}
			wantTiny(t, path)
			if !strings.HasPrefix(path, temp) {
				t.Errorf("%s is not in the temporary folder %s", path, temp)
			}
		})
	}
}

func TestTinyNamesEveryFolderThatWouldNotDo(t *testing.T) {
	withCache(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	a, b := filepath.Join(file, "a"), filepath.Join(file, "b")
	_, err := extractTiny([]tinyFolder{{dir: a}, {dir: b, private: true}, {err: fs.ErrInvalid}})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{file, b, "invalid argument", tempVariable} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not mention %s", err, want)
		}
	}
	if !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("%q hides its cause", err)
	}
}

func TestTinyFromManyGoroutines(t *testing.T) {
	cache, _ := withCache(t)
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			path, err := Tiny()
			if err != nil {
				t.Error(err)
				return
			}
			if err := checkTiny(path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := filesUnder(t, cache); len(got) != 1 {
		t.Errorf("the cache folder holds %q", got)
	}
}

// Other processes do not wait for this one: without the lock, many writers
// replace the file while others look at it.
func TestTinyWhileOthersReplaceIt(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, tinyFile)
	replace := func() error {
		return files.Publish(path, 0o644, func(f *os.File) error {
			_, err := f.WriteString(tinyContent)
			return err
		})
	}
	if err := replace(); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10 {
				// Windows replaces no file that somebody reads.
				if err := replace(); err != nil && !errors.Is(err, loader.ErrFileInUse) {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range 10 {
				if err := checkTiny(path); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	wantOnly(t, dir, tinyFile)
}
