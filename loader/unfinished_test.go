package loader_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/internal/modeltest"
)

func TestUnfinishedShardsAreNamed(t *testing.T) {
	first, second := ggufcases.ShardName("m", 1, 3), ggufcases.ShardName("m", 2, 3)
	for _, suffix := range []string{".part", ".incomplete", ".crdownload", ".downloadInProgress", ".4f2a.incomplete"} {
		files := ggufcases.SoundShards()
		files[second+suffix] = files[second][:20]
		delete(files, second)
		path, err := ggufcases.Case{Files: files, Open: first}.Write(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		_, err = loader.Open(path)
		if e := wantFormatError(t, err, "shard 2 of 3", "not complete"); !strings.HasPrefix(e.Reason, second+suffix+" ") {
			t.Errorf("%s: the reason does not name the file: %q", suffix, e.Reason)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v is not fs.ErrNotExist", suffix, err)
		}
	}
	// Files with similar names are no parts of the download.
	files := ggufcases.SoundShards()
	files[second+".sha256"], files["x"+second+".part"] = []byte("x"), []byte("x")
	delete(files, second)
	path, err := ggufcases.Case{Files: files, Open: first}.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	_, err = loader.Open(path)
	if e := wantFormatError(t, err, "shard 2 of 3", ""); e.Value != "" || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing shard is %q: %v", e.Value, err)
	}
}

func TestAModelThatIsStillWrittenIsAWarning(t *testing.T) {
	path := modeltest.Write(t, computing(t, "llama"))
	if err := os.WriteFile(path+".aria2", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ix, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer ix.Close()
	if w := ix.Warnings(); len(w) != 1 || !strings.Contains(w[0], "model.gguf.aria2 lies beside model.gguf") {
		t.Errorf("%q", w)
	}
}

func TestJoinedShardsAreNamed(t *testing.T) {
	files := ggufcases.SoundShards()
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	join := func(names ...string) (b []byte) {
		for _, n := range names {
			b = append(b, files[n]...)
		}
		return b
	}
	for _, order := range [][]string{names, {names[2], names[0], names[1]}, names[:2]} {
		for _, called := range []string{"joined.gguf", names[0]} {
			path := filepath.Join(t.TempDir(), called)
			if err := os.WriteFile(path, join(order...), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := loader.Open(path)
			if e := wantFormatError(t, err, `key "split.count"`, "3"); !strings.Contains(e.Reason, fmt.Sprintf(" begins at byte %d:", len(files[order[0]]))) {
				t.Errorf("the reason does not say where the second file begins: %q", e.Reason)
			}
		}
	}
	// Bytes after the tensors need not be a second file.
	b := append(bytes.Clone(files[names[0]]), "trailing bytes, no model"...)
	path := filepath.Join(t.TempDir(), names[0])
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := loader.Open(path)
	wantFormatError(t, err, "shard 2 of 3", "")
}
