//go:build unix

package engines_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/llama/engines"
)

func TestWhatOthersCanWriteIsNotTrusted(t *testing.T) {
	userFolder(t)
	const foreignGroup = 54321
	change := func(t *testing.T, mode os.FileMode, path string) {
		t.Helper()
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	give := func(t *testing.T, path string, user, group int) {
		t.Helper()
		if err := os.Lchown(path, user, group); err != nil {
			t.Skip("only root gives files away:", err)
		}
	}
	lib := file("ggml-vulkan")
	for _, tt := range []struct {
		name string
		make func(t *testing.T, top string) // top/a/b has the engine
		at   string                         // what is said to be writable; "": nothing is
	}{
		{"nothing", func(*testing.T, string) {}, ""},
		{"the folder", func(t *testing.T, top string) { change(t, 0o777, top+"/a/b") }, "a/b"},
		{"the folder, though files in it are safe", func(t *testing.T, top string) { change(t, 0o777|os.ModeSticky, top+"/a/b") }, "a/b"},
		{"a backend", func(t *testing.T, top string) { change(t, 0o666, top+"/a/b/"+lib) }, "a/b/" + lib},
		{"a parent", func(t *testing.T, top string) { change(t, 0o777, top+"/a") }, "a"},
		{"a parent in which files of others are safe", func(t *testing.T, top string) { change(t, 0o777|os.ModeSticky, top+"/a") }, ""},
		{"a group of others", func(t *testing.T, top string) {
			give(t, top+"/a/b", -1, foreignGroup)
			change(t, 0o775, top+"/a/b")
		}, "a/b"},
		{"a group of others that may read", func(t *testing.T, top string) { give(t, top+"/a/b", -1, foreignGroup) }, ""},
		{"root's group", func(t *testing.T, top string) {
			give(t, top+"/a/b", -1, 0)
			change(t, 0o775, top+"/a/b")
		}, ""},
		{"another owner", func(t *testing.T, top string) { give(t, top+"/a/b", 54321, -1) }, "a/b"},
		{"another owner of a library", func(t *testing.T, top string) { give(t, top+"/a/b/"+lib, 54321, -1) }, "a/b/" + lib},
		{"another owner of a parent", func(t *testing.T, top string) { give(t, top+"/a", 54321, -1) }, "a"},
		{"a library behind a link into such a folder", func(t *testing.T, top string) {
			if err := errors.Join(os.Mkdir(top+"/open", 0o755), os.Rename(top+"/a/b/"+lib, top+"/open/"+lib), os.Symlink("../../open/"+lib, top+"/a/b/"+lib)); err != nil {
				t.Fatal(err)
			}
			change(t, 0o777, top+"/open")
		}, "open"},
		{"a folder with the link to it", func(t *testing.T, top string) {
			if err := errors.Join(os.Mkdir(top+"/open", 0o755), os.Rename(top+"/a/b", top+"/real"), os.Symlink("../real", top+"/open/b"), os.Remove(top+"/a"), os.Symlink(top+"/open", top+"/a")); err != nil {
				t.Fatal(err)
			}
			change(t, 0o777, top+"/open")
		}, "open"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			top := privateDir(t)
			makeFiles(t, top+"/a/b", engineFiles("v0.5.0"))
			tt.make(t, top)
			f, err := engines.Open(top + "/a/b") // named: it can be used
			if err != nil {
				t.Fatal(err)
			}
			if tt.at == "" {
				if f.Untrusted != nil {
					t.Error(f.Untrusted)
				}
				return
			}
			var e *engines.TrustError
			if !errors.As(f.Usable(), &e) || !errors.Is(f.Untrusted, engines.ErrUntrusted) || e.At != filepath.Join(top, tt.at) {
				t.Fatalf("%v", f.Untrusted)
			}
			if wantLine(t, e); !strings.Contains(e.Error(), e.At) {
				t.Error(e)
			}
		})
	}
}

func TestAVerdictThatOthersCouldHaveWrittenIsVoid(t *testing.T) {
	user := userFolder(t)
	h := strings.Repeat("0a", 32)
	if err := engines.StoreVerdict(engines.Verdict{Hash: h, OK: true}); err != nil {
		t.Fatal(err)
	}
	if _, ok := engines.StoredVerdict(h, ""); !ok {
		t.Fatal("it is not read")
	}
	if err := os.Chmod(filepath.Join(filepath.Dir(user), "verdicts"), 0o777); err != nil {
		t.Fatal(err)
	}
	if v, ok := engines.StoredVerdict(h, ""); ok {
		t.Errorf("%+v", v)
	}
}
