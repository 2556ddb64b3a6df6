package engines

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed7adf6694/infer/internal/download"
	"github.com/seed7adf6694/infer/internal/words"
)

// adding is a call of [Add].
type adding struct {
	ctx    context.Context
	source string
	shown  string // in errors: without a password
	o      Options
	sums   []*checksum
}

// Add adds an engine to the user's folder ([UserDir]) or to [Options.Dir], from a folder, an archive (tar.gz, zip, a package
// of npm), or a URL of one. It keeps the shared libraries of the folder that has the engine, and
// licences; nothing is loaded or run. The engine appears when it is complete: after an error, or when
// ctx ends, nothing is left. One of the same name is replaced only on demand, by two renames.
//
// Archives are checked before anything is written: checksums, each path in them, links, duplicates,
// and the [Limits]; see [ArchiveError]. Links become second names of files, and may lead only to
// libraries beside them. Other errors are [*FolderError], [*ChecksumError], [*DownloadError], those
// that wrap [ErrExists], [ErrName], [ErrNoChecksum] and [ErrBadChecksum], and the system's. A second
// Add waits for the first.
func Add(ctx context.Context, source string, o Options) (Folder, error) {
	a := &adding{ctx: ctx, source: source, shown: source, o: o.withDefaults()}
	name, err := a.prepare()
	if err != nil {
		return Folder{}, err
	}
	s, err := a.open()
	if err != nil {
		return Folder{}, err
	}
	defer s.close()
	if s.has(name) && !o.Replace {
		return Folder{}, fmt.Errorf("%w: %s", ErrExists, words.QuotePath(s.path(name)))
	}
	stage := s.hidden(name)
	if err := os.Mkdir(stage, 0o700); err != nil {
		return Folder{}, err
	}
	defer os.RemoveAll(stage)
	dir := filepath.Join(stage, "engine")
	if err := a.fill(stage, dir); err != nil {
		return Folder{}, aboutStage(err, dir, s.path(name))
	}
	if f := inspect(dir); f.Err != nil {
		var e *FolderError
		if errors.As(f.Err, &e) {
			e.Path = a.shown
		}
		return Folder{}, f.Err
	}
	if err := context.Cause(ctx); err != nil {
		return Folder{}, err
	}
	if err := s.publish(dir, name); err != nil {
		return Folder{}, aboutStage(err, dir, s.path(name))
	}
	f := inspect(s.path(name))
	if o.Dir == "" {
		f.Name = name
	}
	return f, f.Err
}

// open opens the folder to which the engine is added.
func (a *adding) open() (*store, error) {
	if a.o.Dir == "" {
		return openUserStore(a.ctx)
	}
	return openStore(a.ctx, a.o.Dir)
}

// prepare checks source and options, and returns the engine's name.
func (a *adding) prepare() (name string, err error) {
	u, remote := download.ParseURL(a.source)
	if remote {
		a.shown = u.Redacted()
	}
	if a.sums, err = a.o.checksums(); err != nil {
		return "", err
	}
	if remote && len(a.sums) == 0 {
		return "", fmt.Errorf("%s: %w", words.QuotePath(a.shown), ErrNoChecksum)
	}
	if name = a.o.Name; name != "" {
		return name, CheckName(name)
	}
	name = nameFor(a.source)
	if err := CheckName(name); err != nil {
		return "", fmt.Errorf("%w: choose a name for %s", err, words.QuotePath(a.shown))
	}
	return name, nil
}

// fill makes the folder of the engine.
func (a *adding) fill(stage, dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if _, remote := download.ParseURL(a.source); !remote {
		info, err := os.Stat(a.source)
		switch {
		case err != nil:
			return err
		case info.IsDir() && len(a.sums) > 0:
			return fmt.Errorf("%w for a folder: %s: only archives have one", ErrBadChecksum, words.QuotePath(a.source))
		case info.IsDir():
			return a.copyFolder(dir)
		case !info.Mode().IsRegular():
			return a.bad("", "it is neither a file nor a folder")
		}
	}
	f, err := a.fetch(filepath.Join(stage, "archive"))
	if err != nil {
		return err
	}
	defer f.Close()
	return a.unpack(f, dir)
}

// aboutStage replaces the name of an unfinished folder in an error by that of the engine.
func aboutStage(err error, stage, path string) error {
	var of *fs.PathError
	if errors.As(err, &of) {
		if rest, ok := strings.CutPrefix(of.Path, stage); ok {
			of.Path = path + rest
		} else if of.Path == filepath.Join(filepath.Dir(stage), "archive") {
			of.Path = path
		}
	}
	var rename *os.LinkError
	if errors.As(err, &rename) {
		return &fs.PathError{Op: rename.Op, Path: path, Err: rename.Err}
	}
	return err
}

// copyFolder copies the libraries of a folder that has an engine, or of the only such folder in it, with
// its backends. Of folders of the system only what is llama.cpp's.
func (a *adding) copyFolder(to string) error {
	f, err := a.engineIn(a.source)
	if err != nil {
		return err
	}
	sources := map[string]string{} // names, with their paths
	if !slices.ContainsFunc(libraryFolders(here()), func(dir string) bool { return sameFolder(dir, f.Path) }) {
		entries, err := os.ReadDir(f.Path)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if keeps(e.Name()) || isLicence(e.Name()) {
				sources[e.Name()] = filepath.Join(f.Path, e.Name())
			}
		}
	}
	for _, library := range f.files {
		sources[library.file] = library.path
	}
	return a.copyFiles(sources, to)
}

// engineIn returns the folder that has the engine: the source, the one that is chosen in it, or the
// only one where builds and packages have it.
func (a *adding) engineIn(source string) (Folder, error) {
	if a.o.Folder != "" {
		f := inspect(filepath.Join(source, filepath.FromSlash(a.o.Folder)))
		return f, f.Err
	}
	f := inspect(source)
	if f.Err == nil {
		return f, nil
	}
	var found []Folder
	var paths []string
	for _, dir := range slices.Concat(matches(source, "bins", "*"), matches(source, "build", "bin"), matches(source, "bin"), matches(source, "lib")) {
		if f := inspect(dir); f.Err == nil {
			found, paths = append(found, f), append(paths, f.Path)
		}
	}
	switch len(found) {
	case 0:
		return f, f.Err
	case 1:
		return found[0], nil
	}
	return f, a.several(paths)
}

// copyFiles copies files, those that are one file once.
func (a *adding) copyFiles(sources map[string]string, to string) error {
	w := a.writer(to, "copying")
	type original struct {
		info fs.FileInfo
		name string
	}
	var originals []original
	for name, path := range sources {
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() {
			delete(sources, name)
			continue
		}
		w.total += uint64(info.Size())
	}
	if w.total > a.o.Limits.Unpacked || len(sources) > a.o.Limits.Entries {
		return a.budget().exceeded()
	}
	for name, path := range sources {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(originals, func(o original) bool { return os.SameFile(o.info, info) }); i >= 0 {
			if err := w.link(originals[i].name, name); err != nil {
				return err
			}
			continue
		}
		originals = append(originals, original{info, name})
		if err := w.copy(name, path); err != nil {
			return err
		}
	}
	return nil
}

// copy copies a file.
func (w *writer) copy(name, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return w.write(name, f)
}

// sameFolder reports whether two paths lead to one folder.
func sameFolder(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}
