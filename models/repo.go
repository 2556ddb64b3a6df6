package models

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed7adf6694/infer/internal/userdir"
	"github.com/seed7adf6694/infer/internal/words"
)

// UserDir returns the user's folder of models, which need not exist: infer/models in $XDG_DATA_HOME
// (default ~/.local/share), on Windows in %LocalAppData%, on macOS in ~/Library/Application Support.
func UserDir() (string, error) { return userdir.Data("models") }

// Dirs returns the folders in which [Resolve] finds models by name: those of INFER_MODELS, and the
// user's if it is there.
func Dirs() (dirs []string) {
	for _, dir := range filepath.SplitList(os.Getenv(DirsVariable)) {
		if dir != "" {
			dirs = append(dirs, dir)
		}
	}
	if dir, err := UserDir(); err == nil && !slices.Contains(dirs, dir) {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// DefaultTag is the type of weights that a repository's name stands for, as with llama.cpp.
const DefaultTag = "Q4_K_M"

// Repo is a name of Hugging Face: ORG/NAME, ORG/NAME:TAG, or ORG/NAME/FILE. What is pulled of it is in
// the folder ORG/NAME.
type Repo struct {
	Org, Name string
	Tag       string // type of the weights, as in file names; "" is the default
	File      string // path in the repository, with slashes; "" if it is not given
}

func (r Repo) String() string {
	s := r.Org + "/" + r.Name
	if r.File != "" {
		return s + "/" + r.File
	}
	if r.Tag != "" {
		return s + ":" + r.Tag
	}
	return s
}

// hosts are prefixes of names of Hugging Face.
var hosts = []string{"https://huggingface.co/", "https://hf.co/", "huggingface.co/", "www.huggingface.co/", "hf.co/", "hf:"}

// ParseRepo reads a name of Hugging Face: org/repo, org/repo:Q8_0, org/repo/file.gguf, also behind hf:,
// hf.co/ or huggingface.co/, with or without https://; of the addresses of its pages, those of
// repositories and of files.
func ParseRepo(name string) (Repo, bool) {
	for _, host := range hosts {
		if len(name) > len(host) && strings.EqualFold(name[:len(host)], host) {
			name = name[len(host):]
			break
		}
	}
	repo, tag, tagged := strings.Cut(name, ":")
	parts := strings.Split(repo, "/")
	if len(parts) > 4 && (parts[2] == "resolve" || parts[2] == "blob") && !tagged { // of a page's address; a revision follows
		if parts[3] != "main" {
			return Repo{}, false
		}
		last, _, _ := strings.Cut(parts[len(parts)-1], "?")
		parts = append(slices.Concat(parts[:2], parts[4:len(parts)-1]), last)
	}
	if len(parts) < 2 || tagged && (tag == "" || len(parts) > 2) || slices.ContainsFunc(append(parts, tag), func(p string) bool { return !isRepoPart(p, p == tag && !tagged) }) {
		return Repo{}, false
	}
	r := Repo{Org: parts[0], Name: parts[1], Tag: tag, File: strings.Join(parts[2:], "/")}
	if r.File != "" && !strings.HasSuffix(r.File, extension) || r.File == "" && strings.HasSuffix(r.Name, extension) {
		return Repo{}, false
	}
	return r, true
}

// isRepoPart reports whether a part of a name is one that every file system takes.
func isRepoPart(p string, empty bool) bool {
	if p == "" {
		return empty
	}
	return len(p) <= 200 && p[0] != '.' && strings.Trim(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.+=~@ ") == "" &&
		filepath.IsLocal(p) && !strings.HasSuffix(p, ".") && !strings.HasSuffix(p, " ")
}

// IsRepoPath reports whether a path with slashes is one that a file of a repository may have here.
func IsRepoPath(p string) bool {
	return !slices.ContainsFunc(strings.Split(p, "/"), func(part string) bool { return !isRepoPart(part, false) })
}

// A ChoiceError is returned if a repository has no model of the type or file that a name asks for. It
// wraps [fs.ErrNotExist].
type ChoiceError struct {
	Name string
	Have []string // the models that it has, by the paths of their first files
}

func (e *ChoiceError) Error() string {
	if len(e.Have) == 0 {
		return fmt.Sprintf("%s has no GGUF file", words.Quoted(e.Name))
	}
	return fmt.Sprintf("%s has no such model: it has %s", words.Quoted(e.Name), list(e.Have, ", "))
}

// Unwrap returns fs.ErrNotExist.
func (e *ChoiceError) Unwrap() error { return fs.ErrNotExist }

// Select returns the files of the model that a name asks for, all shards in order, among the paths of a
// repository. Without a tag that is one of Q4_K_M, or else the first, as with llama.cpp. Files of
// projectors and of importance matrices are no models. The error is a [*ChoiceError].
func (r Repo) Select(paths []string) ([]string, error) {
	paths = slices.Sorted(slices.Values(paths))
	var first []string // the first files of models
	for _, p := range paths {
		base := path.Base(p)
		s, shard := parseShard(base)
		lower := strings.ToLower(base)
		if !strings.HasSuffix(base, extension) || strings.HasPrefix(lower, "mmproj") || strings.Contains(lower, "imatrix") || shard && s.no != 1 {
			continue
		}
		first = append(first, p)
	}
	chosen := r.choose(paths, first)
	if chosen == "" {
		return nil, &ChoiceError{r.String(), first}
	}
	var files []string
	names := Shards(path.Base(chosen))
	for _, name := range names {
		p := path.Join(path.Dir(chosen), name)
		if !slices.Contains(paths, p) {
			return nil, fmt.Errorf("%s: %s, one of %d shards, is missing", r, p, len(names))
		}
		files = append(files, p)
	}
	return files, nil
}

// choose returns the first file of the model that a name asks for, among all paths of a repository and
// those of first files; "" if there is none.
func (r Repo) choose(paths, first []string) string {
	switch {
	case r.File != "":
		want := r.File
		if s, shard := parseShard(path.Base(want)); shard {
			want = path.Join(path.Dir(want), s.first())
		}
		if slices.Contains(paths, want) {
			return want
		}
		return ""
	case r.Tag != "":
		return tagged(first, r.Tag)
	}
	if chosen := tagged(first, DefaultTag); chosen != "" || len(first) == 0 {
		return chosen
	}
	return first[0]
}

// Among returns the name of a model that was pulled, among the names of a [List], for which r stands:
// the one that [Resolve] finds by r in that folder. "" if there is none.
func (r Repo) Among(names []string) string {
	prefix := r.Org + "/" + r.Name + "/"
	var files []string
	for _, name := range names {
		if file, ok := strings.CutPrefix(name, prefix); ok && !strings.Contains(strings.ToLower(path.Base(file)), "imatrix") {
			files = append(files, file)
		}
	}
	slices.Sort(files)
	if chosen := r.choose(files, files); chosen != "" {
		return prefix + chosen
	}
	return ""
}

// tagged returns the path whose name has a type, the shortest of several: UD-Q4_K_M is a variant of
// Q4_K_M. "" if there is none.
func tagged(paths []string, tag string) (best string) {
	for _, p := range paths {
		if hasTag(p, tag) && (best == "" || len(path.Base(p)) < len(path.Base(best))) {
			best = p
		}
	}
	return best
}

// hasTag reports whether a path has a type, in any case, between other characters than letters, digits
// and underscores.
func hasTag(p, tag string) bool {
	p, tag = strings.ToLower(strings.TrimSuffix(p, extension)), strings.ToLower(tag)
	part := func(i int) bool {
		return i >= 0 && i < len(p) && (p[i] == '_' || p[i] >= 'a' && p[i] <= 'z' || p[i] >= '0' && p[i] <= '9')
	}
	for from := 0; ; {
		i := strings.Index(p[from:], tag)
		if i < 0 {
			return false
		}
		if i += from; !part(i-1) && !part(i+len(tag)) {
			return true
		}
		from = i + 1
	}
}

// pulled returns the path of what was pulled of a name of Hugging Face; "" if there is nothing.
func pulled(name string, dirs []string) (string, error) {
	if dirs == nil {
		dirs = Dirs()
	}
	r, ok := ParseRepo(name)
	if u, err := url.Parse(name); !ok && err == nil && u.Scheme == "https" && isRepoPart(path.Base(u.Path), false) {
		for _, dir := range dirs {
			if file := filepath.Join(dir, path.Base(u.Path)); dir != "" && exists(file) {
				return checkFile(name, file)
			}
		}
	}
	if !ok {
		return "", nil
	}
	for _, dir := range dirs {
		if dir == "" {
			continue
		}
		found, err := r.Select(filesBelow(filepath.Join(dir, r.Org, r.Name)))
		if err == nil {
			return checkFile(name, filepath.Join(dir, r.Org, r.Name, filepath.FromSlash(found[0])))
		}
	}
	return "", nil
}

func exists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// filesBelow lists the model files in a folder and below, with slashes, relative to it.
func filesBelow(dir string) (paths []string) {
	_ = fs.WalkDir(os.DirFS(dir), ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && d != nil && d.IsDir():
			return fs.SkipDir
		case err != nil:
			return nil
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && p != "." || strings.Count(p, "/") >= 4):
			return fs.SkipDir
		case !d.IsDir() && strings.HasSuffix(p, extension) && !strings.HasPrefix(d.Name(), "."):
			paths = append(paths, p)
		}
		return nil
	})
	return paths
}
