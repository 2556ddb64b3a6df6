package models

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// tree makes empty files, and folders where the name ends in a slash.
func tree(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(dir, filepath.FromSlash(name))
		parent := filepath.Dir(path)
		if strings.HasSuffix(name, "/") {
			parent = path
		}
		if err := os.MkdirAll(parent, 0o755); err != nil {
			t.Fatal(err)
		}
		if parent == path {
			continue
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func many(pattern string, n int) []string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf(pattern, i))
	}
	return names
}

func TestResolve(t *testing.T) {
	// here is the working directory, one and two are in INFER_MODELS
	for _, c := range []struct {
		name  string
		files []string
		model string
		want  string // path relative to the root, or from here
		// Of the error; paths are separated by |.
		is       error
		looked   string // places that a NotFoundError must list, among others
		suggests string // its only suggestion
		hint     string // part of its hint
		several  string // all candidates of an AmbiguousError
		at       string // a path that an error of the system names
	}{
		{name: "a file is found by its path", files: []string{"here/m.gguf"}, model: "m.gguf", want: "m.gguf"},
		{name: "a file needs no extension", files: []string{"here/weights"}, model: "weights", want: "weights"},
		{name: "a path with folders is a path", files: []string{"here/sub/m.gguf"}, model: "sub/m.gguf", want: "sub/m.gguf"},
		{name: "an absolute path is a path", files: []string{"one/m.gguf"}, model: "ROOT/one/m.gguf", want: "ROOT/one/m.gguf"},
		{name: "a file called tiny is reached as a path", files: []string{"here/tiny"}, model: "./tiny", want: "./tiny"},
		{name: "a path is not looked up by name", files: []string{"one/m.gguf"}, model: "./m.gguf", looked: "./m.gguf", is: fs.ErrNotExist},

		{name: "a name is found in the folders", files: []string{"two/m"}, model: "m", want: "ROOT/two/m"},
		{name: "a name is found with .gguf behind it", files: []string{"two/m.gguf"}, model: "m", want: "ROOT/two/m.gguf"},
		{name: "a whole file name is found", files: []string{"two/m.gguf"}, model: "m.gguf", want: "ROOT/two/m.gguf"},
		{name: "the first folder comes first", files: []string{"one/m.gguf", "two/m.gguf"}, model: "m", want: "ROOT/one/m.gguf"},
		{name: "a file here comes before the folders", files: []string{"here/m", "one/m.gguf"}, model: "m", want: "m"},
		{name: "a folder here comes after the folders", files: []string{"here/m/x.gguf", "one/m.gguf"}, model: "m", want: "ROOT/one/m.gguf"},
		{name: "a folder without a model here does not hide the folders", files: []string{"here/m/doc.go", "one/m.gguf"}, model: "m", want: "ROOT/one/m.gguf"},
		{name: "an empty folder of that name does not hide the next folder", files: []string{"one/m/", "two/m.gguf"}, model: "m", want: "ROOT/two/m.gguf"},
		{name: "a name is that of a set of shards", files: []string{"one/m-00001-of-00002.gguf", "one/m-00002-of-00002.gguf"}, model: "m", want: "ROOT/one/m-00001-of-00002.gguf"},
		{name: "a name is that of a folder with one model", files: []string{"one/m/weights.gguf", "one/m/README.md"}, model: "m", want: "ROOT/one/m/weights.gguf"},
		{name: "a name is that of a folder with several models", files: []string{"one/m/a.gguf", "one/m/b.gguf"}, model: "m", several: "ROOT/one/m/a.gguf|ROOT/one/m/b.gguf", is: ErrAmbiguous},

		{name: "the beginning of one name is enough", files: []string{"one/llama-3-8b.gguf", "two/qwen.gguf"}, model: "llama-3", want: "ROOT/one/llama-3-8b.gguf"},
		{name: "the beginning of the name of one set is enough", files: []string{"one/llama-3-8b-00001-of-00002.gguf", "one/llama-3-8b-00002-of-00002.gguf"}, model: "llama", want: "ROOT/one/llama-3-8b-00001-of-00002.gguf"},
		{name: "the beginning of two names is not", files: []string{"one/llama-3-8b.gguf", "two/llama-3-70b.gguf"}, model: "llama-3", several: "ROOT/one/llama-3-8b.gguf|ROOT/two/llama-3-70b.gguf", is: ErrAmbiguous},
		{name: "one name in two folders is one model", files: []string{"one/llama-3-8b.gguf", "two/llama-3-8b.gguf"}, model: "llama", want: "ROOT/one/llama-3-8b.gguf"},
		{name: "a whole name comes before the beginning of another", files: []string{"one/m-large.gguf", "two/m.gguf"}, model: "m", want: "ROOT/two/m.gguf"},
		{name: "a folder here comes before the beginning of a name", files: []string{"here/m/x.gguf", "one/m-large.gguf"}, model: "m", want: "m/x.gguf"},

		{name: "a folder with one model stands for it", files: []string{"here/d/m.gguf", "here/d/notes.txt"}, model: "d", want: "d/m.gguf"},
		{name: "a folder by its path", files: []string{"here/d/m.gguf"}, model: "./d/", want: "d/m.gguf"},
		{name: "the folder where one is", files: []string{"here/m.gguf"}, model: ".", want: "m.gguf"},
		{name: "a folder with one set of shards stands for it", files: []string{"here/d/m-00001-of-00002.gguf", "here/d/m-00002-of-00002.gguf"}, model: "d", want: "d/m-00001-of-00002.gguf"},
		{name: "hidden and vision files do not count", files: []string{"here/d/m.gguf", "here/d/.m.gguf", "here/d/mmproj-m.gguf"}, model: "d", want: "d/m.gguf"},
		{name: "a folder inside does not count", files: []string{"here/d/m.gguf", "here/d/x.gguf/"}, model: "d", want: "d/m.gguf"},
		{name: "a folder with two models stands for none", files: []string{"here/d/a.gguf", "here/d/b.gguf"}, model: "./d", several: "d/a.gguf|d/b.gguf", is: ErrAmbiguous},
		{name: "a file beside a set is a second model", files: []string{"here/d/a.gguf", "here/d/m-00001-of-00002.gguf", "here/d/m-00002-of-00002.gguf"}, model: "d", several: "d/a.gguf|d/m-00001-of-00002.gguf", is: ErrAmbiguous},
		{name: "a folder without a model", files: []string{"here/d/notes.txt"}, model: "./d", looked: "d/*.gguf", is: fs.ErrNotExist},

		{name: "a shard stands for its set", files: []string{"here/m-00001-of-00003.gguf", "here/m-00002-of-00003.gguf"}, model: "m-00002-of-00003.gguf", want: "m-00001-of-00003.gguf"},
		{name: "a shard with a path stands for its set", files: []string{"one/m-00001-of-00003.gguf", "one/m-00002-of-00003.gguf"}, model: "ROOT/one/m-00002-of-00003.gguf", want: "ROOT/one/m-00001-of-00003.gguf"},
		{name: "a shard in the folders stands for its set", files: []string{"one/m-00001-of-00002.gguf", "one/m-00002-of-00002.gguf"}, model: "m-00002-of-00002", want: "ROOT/one/m-00001-of-00002.gguf"},
		{name: "a set without its first shard", files: []string{"here/m-00002-of-00003.gguf"}, model: "m-00002-of-00003.gguf", looked: "m-00001-of-00003.gguf", is: fs.ErrNotExist},
		{name: "numbers that make no sense are just a name", files: []string{"here/m-00005-of-00003.gguf"}, model: "m-00005-of-00003.gguf", want: "m-00005-of-00003.gguf"},
		{name: "shard zero is just a name", files: []string{"here/m-00000-of-00003.gguf"}, model: "m-00000-of-00003.gguf", want: "m-00000-of-00003.gguf"},

		{name: "a miss lists what was looked at", files: []string{"one/a.gguf"}, model: "zebra", looked: "zebra|ROOT/one/zebra|ROOT/one/zebra.gguf|ROOT/two/zebra", is: fs.ErrNotExist},
		{name: "a miss names a folder that is not there", model: "zebra", looked: "ROOT/gone", is: fs.ErrNotExist},
		{name: "a typing error in a name is spotted", files: []string{"one/mistral-7b.gguf"}, model: "mitsral-7b", suggests: "mistral-7b", is: fs.ErrNotExist},
		{name: "a name in the wrong case is spotted", files: []string{"one/mistral-7b.gguf"}, model: "Mistral-7B", suggests: "mistral-7b", is: fs.ErrNotExist},
		{name: "a typing error in tiny is spotted", model: "tinny", suggests: "tiny", is: fs.ErrNotExist},
		{name: "a missing extension is spotted", files: []string{"here/model.gguf"}, model: "./model", suggests: "./model.gguf", is: fs.ErrNotExist},
		{name: "a typing error in a path is spotted", files: []string{"here/sub/model.gguf"}, model: "sub/modle.gguf", suggests: "sub/model.gguf", is: fs.ErrNotExist},
		{name: "an address is not downloaded", model: "https://example.org/m.gguf", hint: "not been pulled", is: fs.ErrNotExist},
		{name: "a repository of a host is not downloaded", model: "hf.co/org/repo:Q4_K_M", hint: "not been pulled", is: fs.ErrNotExist},
		{name: "the host's long name", model: "huggingface.co/org/repo", hint: "not been pulled", is: fs.ErrNotExist},
		{name: "a repository alone", model: "org/repo-GGUF", hint: "not been pulled", is: fs.ErrNotExist},
		{name: "a repository with a type", model: "org/repo:q4_0", hint: "not been pulled", is: fs.ErrNotExist},
		{name: "a short host", model: "hf:org/repo", hint: "not been pulled", is: fs.ErrNotExist},
		{name: "a name with a tag", model: "llama3.2:1b", hint: "not downloaded by this name", is: fs.ErrNotExist},
		{name: "a path into a folder that is there", files: []string{"here/sub/model.gguf"}, model: "sub/model", suggests: "sub/model.gguf", is: fs.ErrNotExist},
		{name: "a path into a folder that is not there", model: "gone/model.gguf", looked: "gone/model.gguf", is: fs.ErrNotExist},
		{name: "a file that is being fetched", files: []string{"here/sub/m.gguf.part"}, model: "sub/m.gguf", hint: "sub/m.gguf.part ", is: fs.ErrNotExist},
		{name: "a file here that is being fetched", files: []string{"here/m.gguf.crdownload"}, model: "m.gguf", hint: "m.gguf.crdownload ", is: fs.ErrNotExist},
		{name: "a first shard that is being fetched", files: []string{"here/m-00002-of-00003.gguf", "here/m-00001-of-00003.gguf.incomplete"}, model: "m-00002-of-00003.gguf", hint: "m-00001-of-00003.gguf.incomplete ", is: fs.ErrNotExist},
		{name: "a tilde is the shell's business", model: "~/m.gguf", hint: "shell", is: fs.ErrNotExist},
		{name: "a path through a file", files: []string{"here/f"}, model: "f/m.gguf", at: "f/m.gguf"},
		{name: "a name too long for the system", model: strings.Repeat("x", 5000), looked: "ROOT/one/" + strings.Repeat("x", 5000), is: fs.ErrNotExist},
		{name: "a name with a NUL", model: "a\x00b", looked: "a\x00b", is: fs.ErrNotExist},
		{name: "a folder with very many models", files: many("here/d/%03d.gguf", 30), model: "./d", several: strings.Join(many("d/%03d.gguf", 30), "|"), is: ErrAmbiguous},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			tree(t, root, "here/", "one/", "two/")
			tree(t, root, c.files...)
			t.Chdir(filepath.Join(root, "here"))
			list := []string{"", filepath.Join(root, "gone"), filepath.Join(root, "one"), "", filepath.Join(root, "two")}
			t.Setenv(DirsVariable, strings.Join(list, string(filepath.ListSeparator)))
			absolute := func(s string) string { return strings.ReplaceAll(s, "ROOT", root) }
			if _, err := os.Stat(filepath.Join(root, "HERE")); err == nil && strings.Contains(c.name, "wrong case") {
				t.Skip("upper and lower case are the same to this file system")
			}

			got, err := Resolve(absolute(c.model), ResolveOptions{})
			if c.want != "" {
				if err != nil || filepath.ToSlash(got) != filepath.ToSlash(absolute(c.want)) {
					t.Fatalf("got %q, %v, want %q", got, err, absolute(c.want))
				}
				return
			}
			if err == nil {
				t.Fatalf("got %q", got)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%q is not %v", err, c.is)
			}
			paths := func(list string) []string { return strings.Split(filepath.ToSlash(absolute(list)), "|") }
			slashes := func(list []string) (slashed []string) {
				for _, path := range list {
					slashed = append(slashed, filepath.ToSlash(path))
				}
				return slashed
			}
			var none *NotFoundError
			var several *AmbiguousError
			switch {
			case c.is == fs.ErrNotExist && (!errors.As(err, &none) || none.Name != absolute(c.model) || len(none.Looked) == 0):
				t.Fatalf("%q does not list what was looked at", err)
			case c.is == ErrAmbiguous && (!errors.As(err, &several) || !slices.Equal(slashes(several.Candidates), paths(c.several))):
				t.Errorf("%q does not list the candidates", err)
			case c.at != "":
				var of *fs.PathError
				named := errors.As(err, &of) && filepath.ToSlash(of.Path) == c.at
				if errors.As(err, &none) { // to Windows, nothing is behind a file
					named = none.Name == c.at
				}
				if !named {
					t.Errorf("%q does not name %s", err, c.at)
				}
			}
			if c.looked != "" {
				var looked []string
				for _, l := range none.Looked {
					looked = append(looked, l.Path)
				}
				looked = slashes(looked)
				for _, path := range paths(c.looked) {
					if !slices.Contains(looked, path) {
						t.Errorf("looked at %q, not at %s", looked, path)
					}
				}
			}
			if c.suggests != "" && !slices.Equal(slashes(none.Suggestions), []string{c.suggests}) {
				t.Errorf("suggests %q, want %s", none.Suggestions, c.suggests)
			}
			if c.hint != "" && !strings.Contains(filepath.ToSlash(none.Hint), c.hint) {
				t.Errorf("the hint %q has no %q", none.Hint, c.hint)
			}
			wantLine(t, err)
		})
	}
}

// wantLine fails unless a message is one line that does not list all of many models.
func wantLine(t *testing.T, err error) {
	t.Helper()
	if text := err.Error(); strings.Contains(text, "\n") || strings.Count(text, ".gguf") > 22 {
		t.Errorf("%q is more than a line", text)
	}
}

func TestResolveTheEmbeddedModel(t *testing.T) {
	withCache(t)
	dir := t.TempDir()
	tree(t, dir, "tiny", "tiny.gguf")
	t.Chdir(dir)
	t.Setenv(DirsVariable, dir)
	for _, name := range []string{"", TinyName} {
		path, err := Resolve(name, ResolveOptions{})
		if err != nil {
			t.Fatal(err)
		}
		wantTiny(t, path)
	}
}

func TestResolveWithFoldersOfTheCaller(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	tree(t, one, "m.gguf")
	tree(t, two, "m.gguf")
	t.Chdir(t.TempDir())
	t.Setenv(DirsVariable, one)
	if got, err := Resolve("m", ResolveOptions{Dirs: []string{two}}); err != nil || got != filepath.Join(two, "m.gguf") {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := Resolve("m", ResolveOptions{Dirs: []string{}}); err == nil {
		t.Errorf("no folders: got %q", got)
	} else if strings.Contains(err.Error(), DirsVariable) {
		t.Errorf("%q speaks of a variable that was not asked", err)
	}
	t.Setenv(DirsVariable, "")
	if _, err := Resolve("m", ResolveOptions{}); err == nil || !strings.Contains(err.Error(), DirsVariable) {
		t.Errorf("%v does not say that %s is empty", err, DirsVariable)
	}
}
