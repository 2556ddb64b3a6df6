package engines_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama/engines"
)

func TestAFolderThatIsNamed(t *testing.T) {
	user := userFolder(t)
	dir := privateDir(t)
	makeFiles(t, dir, engineFiles("v0.5.0"))
	makeFiles(t, dir, map[string][]byte{file("llama.v0.5.0"): own("x"), file("ggml.v0.5.0"): own("y"), file("other"): nil, "README.md": nil})
	makeFiles(t, filepath.Join(user, "mine"), engineFiles("v0.6.0"))
	t.Chdir(dir)
	makeFiles(t, "mine", engineFiles("v0.9.0")) // in the working directory, and not meant by its name
	for _, name := range []string{dir, ".", "." + string(filepath.Separator), dir + "/../" + filepath.Base(dir)} {
		f, err := engines.Open(name)
		if err != nil {
			t.Fatal(name, err)
		}
		want := engines.Libraries{Version: "v0.5.0", Llama: file("llama.v0.5.0"), Ggml: file("ggml.v0.5.0"), Base: file("ggml-base")}
		if f.Path != dir || f.Name != "" || len(f.Engines) != 2 || f.Engines[0] != want || !slices.Equal(f.Backends, []string{"vulkan"}) {
			t.Errorf("%s: %+v", name, f)
		}
		if f.Untrusted != nil {
			t.Errorf("%s: %v", name, f.Untrusted)
		}
	}
	f, err := engines.Open(filepath.Join(dir, file("llama.vulkan.v0.5.0")))
	if err != nil || f.Path != dir || f.Engines[0].Variant != "vulkan" || len(f.Engines) != 2 || f.Engines[1].Variant != "" {
		t.Errorf("%+v, %v", f, err)
	}
	f, err = engines.Open("mine")
	if err != nil || f.Name != "mine" || f.Engines[0].Version != "v0.6.0" {
		t.Errorf("%+v, %v", f, err)
	}
	if f, err = engines.Open("./mine"); err != nil || f.Engines[0].Version != "v0.9.0" {
		t.Errorf("%+v, %v", f, err)
	}
	base, ggml, llama := f.Engines[0].Paths(f.Path)
	for _, path := range []string{base, ggml, llama} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}

func TestFoldersThatHaveNoEngine(t *testing.T) {
	userFolder(t)
	others := map[string]string{"linux": "windows", "windows": "darwin", "darwin": "windows"}
	for _, tt := range []struct {
		name string
		make func(dir string) string // what is opened
		want error
		text string
	}{
		{"nothing is there", func(dir string) string { return filepath.Join(dir, "none") }, fs.ErrNotExist, ""},
		{"a name that was never added", func(string) string { return "none" }, fs.ErrNotExist, ""},
		{"a name that a folder here has", func(string) string {
			t.Chdir(privateDir(t))
			makeFiles(t, "here", nil)
			return "here"
		}, engines.ErrNotFound, "./here"},
		{"no name", func(string) string { return "" }, engines.ErrNoEngine, "empty"},
		{"an empty folder", func(dir string) string { return dir }, engines.ErrNoEngine, "missing "},
		{"a file that is no library", func(dir string) string {
			makeFiles(t, dir, map[string][]byte{"model.gguf": nil})
			return filepath.Join(dir, "model.gguf")
		}, engines.ErrNoEngine, "want a folder"},
		{"a library of another system", func(dir string) string {
			text := library(others[runtime.GOOS], "amd64", "")
			makeFiles(t, dir, map[string][]byte{file("llama"): text, file("ggml"): text, file("ggml-base"): text})
			return dir
		}, engines.ErrNoEngine, "it is for "},
		{"a library for another processor", func(dir string) string {
			arch := "arm64"
			if runtime.GOARCH == arch {
				arch = "amd64"
			}
			text := library(runtime.GOOS, arch, "")
			makeFiles(t, dir, map[string][]byte{file("llama"): text, file("ggml"): text, file("ggml-base"): text})
			return dir
		}, engines.ErrNoEngine, "it is for "},
		{"a text with a library's name", func(dir string) string {
			makeFiles(t, dir, map[string][]byte{file("llama"): own(""), file("ggml"): []byte(strings.Repeat("text ", 40)), file("ggml-base"): own("")})
			return dir
		}, engines.ErrNoEngine, "it is no library"},
		{"folders with libraries' names", func(dir string) string {
			for _, name := range []string{"llama", "ggml", "ggml-base"} {
				makeFiles(t, filepath.Join(dir, file(name)), nil)
			}
			return dir
		}, engines.ErrNoEngine, "missing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := engines.Open(tt.make(privateDir(t)))
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
				t.Fatalf("%v", err)
			}
			wantLine(t, err)
		})
	}
}

func TestFindLooksWhereEnginesAre(t *testing.T) {
	user := userFolder(t)
	makeFiles(t, filepath.Join(user, "one"), engineFiles("v0.5.0"))
	makeFiles(t, filepath.Join(user, "half"), map[string][]byte{file("llama"): own("")})
	makeFiles(t, filepath.Join(user, ".unfinished"), engineFiles("v0.5.0"))
	working := privateDir(t)
	makeFiles(t, working, engineFiles("v0.9.0"))
	t.Chdir(working)
	at := slices.IndexFunc(engines.Find(), func(p engines.Place) bool { return p.Kind == engines.UserFolder })
	if at < 0 {
		t.Fatal("the user's folder is no place")
	}
	place := engines.Find()[at]
	if place.Dir != user || place.Err != nil || len(place.Folders) != 2 {
		t.Fatalf("%+v", place)
	}
	half, one := place.Folders[0], place.Folders[1]
	if half.Name != "half" || !errors.Is(half.Usable(), engines.ErrNoEngine) || one.Name != "one" || one.Usable() != nil || one.Engines[0].Version != "v0.5.0" {
		t.Errorf("%+v", place.Folders)
	}
	for _, p := range engines.Find() {
		for _, f := range p.Folders {
			if f.Path == working {
				t.Errorf("the working directory is in %+v", p)
			}
		}
	}
	if err := os.RemoveAll(user); err != nil {
		t.Fatal(err)
	}
	if place := engines.Find()[at]; !errors.Is(place.Err, fs.ErrNotExist) || place.Folders != nil {
		t.Errorf("%+v", place)
	}
}

func TestAFolderBehindALink(t *testing.T) {
	user := userFolder(t)
	real := filepath.Join(privateDir(t), "real")
	makeFiles(t, real, engineFiles("v0.5.0"))
	makeFiles(t, user, nil)
	memtest.Need(t, memtest.Symlink(real, filepath.Join(user, "linked")))
	memtest.Need(t, memtest.Symlink("no such", filepath.Join(user, "dangling")))
	f, err := engines.Open("linked")
	if err != nil || f.Path != real || f.Usable() != nil {
		t.Errorf("%+v, %v", f, err)
	}
	// Libraries may be links too, as Homebrew's are, and count once.
	dir := privateDir(t)
	for _, link := range [][2]string{{"llama.vulkan.v0.5.0", "llama"}, {"ggml.vulkan.v0.5.0", "ggml"}, {"ggml-base", "ggml-base"}} {
		memtest.Need(t, memtest.Symlink(filepath.Join(real, file(link[0])), filepath.Join(dir, file(link[1]))))
	}
	if f, err := engines.Open(dir); err != nil || f.Usable() != nil || f.Engines[0].Llama != file("llama") {
		t.Errorf("%+v, %v", f, err)
	}
}
