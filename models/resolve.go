package models

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader/gguf"
)

// DirsVariable is the environment variable with the folders in which [Resolve] finds models by name,
// separated as in PATH.
const DirsVariable = "INFER_MODELS"

// ResolveOptions are the options of [Resolve]. The zero value is the default.
type ResolveOptions struct {
	// Dirs are the folders in which models are found by name, in order of preference. nil: those
	// of the environment variable INFER_MODELS, and [UserDir]; an empty slice: none. Empty entries are
	// ignored.
	Dirs []string
}

// Resolve returns the path of the model that a name refers to, or of its first shard. It is the first
// match of:
//
//  1. The embedded model (see [Tiny]), for the name tiny and for no name. A
//     file called tiny is reached as ./tiny.
//  2. The file at that path.
//  3. For a name without a folder, in the folders of INFER_MODELS one after
//     the other: the file of that name, the file of that name with .gguf
//     behind it, the set of shards NAME-00001-of-0000N.gguf, or the one model
//     in a folder of that name.
//  4. The one model in the folder at that path.
//  5. For a name without a folder, the only model in the folders of
//     INFER_MODELS whose name begins so.
//  6. For a name of Hugging Face (see [ParseRepo]), what was pulled of it into one of the folders.
//
// Behind the folders of INFER_MODELS comes the user's, [UserDir], if it is there.
//
// A name that contains a folder (./model.gguf) is always a path. Case matters if it does for the file
// system. Any shard stands for its model. In a folder, hidden files and mmproj files are not
// models. A leading ~ is not expanded: the shell does that.
//
// No file is opened: the loader checks whether it is a model.
//
// The error is a [*NotFoundError], which lists the places examined, or an [*AmbiguousError]. A path that
// cannot be examined or is no file (a device, a pipe) gives an error that says so and wraps
// [fs.ErrPermission] if that is the cause. Resolve is safe for concurrent use.
func Resolve(name string, o ResolveOptions) (path string, err error) {
	if name == "" || name == TinyName {
		return Tiny()
	}
	info, err := os.Stat(name)
	if err == nil && !info.IsDir() {
		return checkFile(name, name)
	}
	if isPath(name) {
		if err == nil {
			return inFolder(name, name)
		}
		if path, err := pulled(name, o.Dirs); path != "" || err != nil {
			return path, err
		}
		if !errors.Is(err, fs.ErrNotExist) && !strings.Contains(name, "://") { // which Windows takes for no name
			return "", fmt.Errorf("model %s: %w", words.Quoted(name), err)
		}
		missing := &NotFoundError{Name: name, Looked: []Looked{{Path: name}}, Hint: pathHint(name)}
		if missing.Hint == "" {
			missing.Suggestions = neighbours(name)
		}
		return "", missing
	}
	s := search{name: name}
	s.open(o.Dirs)
	s.see(name, err)
	return s.run(err == nil)
}

// isPath reports whether a name is a path, not a name to be looked up.
func isPath(name string) bool {
	return strings.ContainsRune(name, '/') || strings.ContainsRune(name, filepath.Separator) ||
		name == "." || name == ".." || filepath.VolumeName(name) != ""
}

// checkFile returns the path of the regular file at path, or of the first shard if path is another
// shard.
func checkFile(name, path string) (string, error) {
	if err := files.CheckPath(path); err != nil {
		return "", fmt.Errorf("model %s: %w", words.Quoted(name), errors.Unwrap(err))
	}
	first, s, isShard := firstShard(path)
	info, err := os.Stat(first)
	if isShard && errors.Is(err, fs.ErrNotExist) {
		missing := fmt.Errorf("the first of %d shards is missing", s.count)
		return "", &NotFoundError{Name: name, Looked: []Looked{{first, missing}}, Hint: pathHint(first)}
	}
	if err != nil {
		return "", fmt.Errorf("model %s: %w", words.Quoted(name), err)
	}
	if mode := info.Mode(); !mode.IsRegular() {
		return "", fmt.Errorf("model %s: %s is %s, not a file", words.Quoted(name), first, files.FileKind(mode))
	}
	return first, nil
}

// pathHint returns what may have been meant by a path that does not exist.
func pathHint(name string) string {
	part := gguf.Unfinished(name)
	switch {
	case part != "":
		return fmt.Sprintf("%s is what has been fetched of it: let the download finish", show(part))
	case isRemote(name):
		if _, ok := ParseRepo(name); ok || strings.HasPrefix(name, "https://") {
			return "it has not been pulled yet"
		}
		return "models are not downloaded by this name: pull org/repo:quant of Hugging Face or an https URL, or download the file, and name it"
	case strings.HasPrefix(name, "~"):
		return "~ stands for the home folder only where the shell expands it, unquoted"
	}
	return ""
}

// isRemote reports whether a name that is no file is an address or a name in a registry:
// hf.co/org/repo:quant, org/repo:quant, hf:org/repo or llama3.2:1b. A name of two parts is one
// only if the first is no folder here.
func isRemote(name string) bool {
	if strings.Contains(name, "://") {
		return true
	}
	host, _, _ := strings.Cut(strings.ToLower(name), "/")
	if slices.Contains([]string{"hf.co", "huggingface.co", "www.huggingface.co", "modelscope.cn", "ollama.com", "registry.ollama.ai", "docker.io"}, host) {
		return true
	}
	if filepath.VolumeName(name) != "" || strings.ContainsFunc(name, func(r rune) bool { return !strconv.IsPrint(r) || r == '\\' || r == ' ' }) {
		return false
	}
	repo, tag, tagged := strings.Cut(name, ":")
	parts := strings.Split(repo, "/")
	if slices.Contains(parts, "") || slices.Contains(parts, ".") || slices.Contains(parts, "..") || parts[0] == "~" || tagged && (tag == "" || strings.HasSuffix(tag, extension)) {
		return false
	}
	if tagged {
		return len(parts) <= 2
	}
	_, err := os.Stat(parts[0])
	return len(parts) == 2 && err != nil && !strings.HasSuffix(repo, extension)
}

// neighbours returns models beside path with a similar name.
func neighbours(path string) []string {
	dir, file := filepath.Split(path)
	found, err := listFolder(filepath.Clean(dir))
	if err != nil {
		return nil
	}
	files := map[string]string{}
	var names []string
	for _, m := range found {
		files[m.name] = m.file
		names = append(names, m.name)
	}
	near := nearest(strings.TrimSuffix(file, extension), names)
	for i, n := range near {
		near[i] = dir + files[n]
	}
	return near
}
