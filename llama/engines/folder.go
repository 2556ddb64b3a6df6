package engines

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed7adf6694/infer/internal/words"
)

// Folder is a folder with an engine, or with a part of one.
type Folder struct {
	Name string // in the user's folder (see [UserDir]), for [Remove]; "" elsewhere
	Path string // absolute, without symbolic links

	// Engines are the engines of the folder; the first is the one to use. Libraries llama and ggml
	// are of one engine if their names have the same variant and version; ggml-base may have
	// neither. The highest version comes first, names without one last; of a version, the one
	// without a variant, then others in the order of the alphabet. Of libraries that differ only in
	// the number of their interface (libllama.so.0), the one without a number is taken, otherwise
	// the highest.
	Engines []Libraries

	// Backends are the libraries of ggml's backends: "cpu-haswell", "vulkan". They are to be loaded
	// from BackendDirs: the folder itself, and others that distributions have for backends. None are
	// there if the backends are part of the library ggml.
	Backends    []string
	BackendDirs []string

	// Err is why the folder can't be used: a [*FolderError], or the system's.
	Err error

	// Untrusted is why the folder is to be used only if a user names it: a [*TrustError], or the
	// system's error; nil if there is no such reason.
	Untrusted error

	files []libraryFile // of the engine
}

// Usable returns why a folder that no user has named can't be used, or nil.
func (f Folder) Usable() error {
	if f.Err != nil {
		return f.Err
	}
	return f.Untrusted
}

// Open looks at a folder that a user names, by its path, by that of a library llama in it, which then
// is the first of its engines, or by its name in the user's folder: a name without a slash is never
// that of a folder in the working directory, while ./name is. The error for one that is not there wraps
// [ErrNotFound], others are those of [Folder.Err]; the caller decides about [Folder.Untrusted].
func Open(name string) (Folder, error) {
	path, user, err := namedPath(name)
	if err != nil {
		return Folder{}, err
	}
	info, err := os.Stat(path)
	if user && errors.Is(err, fs.ErrNotExist) {
		return Folder{}, fmt.Errorf("%w: %s is not in %s; the path of a folder has a slash, as in ./%s: %w", ErrNotFound, words.Literal(name), words.QuotePath(filepath.Dir(path)), name, fs.ErrNotExist)
	}
	if err != nil {
		return Folder{}, err
	}
	file := ""
	if !info.IsDir() {
		path, file = filepath.Split(path)
		if n, ok := parseName(file, system); !ok || n.library != "llama" {
			return Folder{}, &FolderError{Path: filepath.Join(path, file), Reason: "want a folder, or its " + plainName("llama", system)}
		}
	}
	f := inspect(path)
	if user {
		f.Name = name
	}
	if file != "" && f.Err == nil {
		i := slices.IndexFunc(f.Engines, func(l Libraries) bool { return l.Llama == file })
		if i < 0 {
			f.Err = &FolderError{Path: filepath.Join(path, file), Reason: "no " + plainName("ggml", system) + " of the same build is beside it"}
		} else {
			f.Engines = append([]Libraries{f.Engines[i]}, slices.Delete(slices.Clone(f.Engines), i, i+1)...)
		}
	}
	return f, f.Err
}

// namedPath returns the absolute path for a name, and whether it is one of the user's folder.
func namedPath(name string) (path string, user bool, err error) {
	if name == "" {
		return "", false, fmt.Errorf("%w: its name is empty", ErrNoEngine)
	}
	if name == "." || name == ".." || filepath.VolumeName(name) != "" || strings.ContainsFunc(name, func(r rune) bool { return r < 0x80 && os.IsPathSeparator(uint8(r)) }) {
		path, err = filepath.Abs(name)
		return path, false, err
	}
	dir, err := UserDir()
	return filepath.Join(dir, name), true, err
}

// inspect looks at a folder.
func inspect(path string) Folder {
	f := Folder{Path: path}
	real, err := filepath.Abs(path)
	if err == nil {
		real, err = filepath.EvalSymlinks(real)
	}
	if err != nil {
		f.Err = err
		return f
	}
	f.Path = real
	names, err := listEngine(real)
	if err != nil {
		f.Err = err
		return f
	}
	engines, lacking := choose(names)
	if engines != nil {
		f.Engines, f.BackendDirs = engines, backendDirs(real, engines[0].Ggml)
	} else {
		f.Err = missing(real, lacking)
	}
	if f.files, err = libraries(real, f.BackendDirs); err != nil {
		f.Err = err
	}
	for _, file := range f.files {
		if b := file.backend(); b != "" && !slices.Contains(f.Backends, b) {
			f.Backends = append(f.Backends, b)
		}
	}
	if f.Err != nil {
		return f
	}
	f.Err = f.foreign()
	f.Untrusted = f.distrust(path)
	return f
}

// listEngine lists the libraries of llama.cpp in a folder, in the order of their names.
func listEngine(dir string) (names []libraryName, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		n, ok := parseName(e.Name(), system)
		if !ok || !n.ofEngine() {
			continue
		}
		if info, err := os.Stat(filepath.Join(dir, e.Name())); err == nil && info.Mode().IsRegular() {
			names = append(names, n)
		}
	}
	return names, nil
}

// foreign returns an error if this process cannot load the first engine.
func (f Folder) foreign() error {
	base, ggml, llama := f.Engines[0].Paths(f.Path)
	for _, path := range []string{llama, ggml, base} {
		if reason := foreign(path); reason != "" {
			return &FolderError{Path: f.Path, Reason: words.QuotePath(filepath.Base(path)) + ": " + reason}
		}
	}
	return nil
}

// distrust returns why others could replace a library of the engine, by the path that leads to its
// folder.
func (f Folder) distrust(path string) error {
	if err := distrust(path); err != nil {
		return err
	}
	for _, dir := range f.BackendDirs {
		if err := distrust(dir); err != nil {
			return about(err, f.Path)
		}
	}
	for _, file := range f.files {
		if err := distrust(file.path); err != nil {
			return about(err, f.Path)
		}
	}
	return nil
}
