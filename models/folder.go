package models

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// A model in a folder: one file, or a set of shards.
type folderModel struct {
	name string // the file name without .gguf or shard numbers
	file string // file name of the model or its first shard
}

// listFolder returns the models directly in dir, by file name. It skips hidden files, and mmproj files,
// which hold the vision part of another model.
func listFolder(dir string) ([]folderModel, error) {
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return nil, err
	}
	var found []folderModel
	seen := map[string]bool{}
	for _, e := range entries {
		name := e.Name()
		if !strings.HasSuffix(name, extension) || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "mmproj") {
			continue
		}
		if kind := e.Type(); !kind.IsRegular() && kind&os.ModeSymlink == 0 {
			continue
		}
		m := folderModel{strings.TrimSuffix(name, extension), name}
		if s, ok := parseShard(name); ok {
			m = folderModel{s.base, s.first()}
		}
		if !seen[m.file] {
			seen[m.file] = true
			found = append(found, m)
		}
	}
	return found, nil
}

// inFolder returns the path of the only model in dir.
func inFolder(name, dir string) (string, error) {
	found, err := listFolder(dir)
	if err != nil {
		return "", err
	}
	switch len(found) {
	case 0:
		return "", &NotFoundError{Name: name, Looked: []Looked{{Path: filepath.Join(dir, "*"+extension)}}}
	case 1:
		return checkFile(name, filepath.Join(dir, found[0].file))
	}
	e := &AmbiguousError{Name: name}
	for _, m := range found {
		e.Candidates = append(e.Candidates, filepath.Join(dir, m.file))
	}
	slices.Sort(e.Candidates)
	return "", e
}

// Listed is a model in a folder.
type Listed struct {
	Name string // by which [Resolve] finds it there
	Path string // the file, or the first shard
	Size uint64 // of all of its files, in bytes
}

// List returns the models directly in a folder, by name: the file name without .gguf or shard numbers.
// Behind them are those that were pulled into it, ORG/NAME/FILE (see [Repo]). Hidden files, and mmproj
// files, which hold the vision part of another model, are not listed. No file is opened.
func List(dir string) ([]Listed, error) {
	found, err := listFolder(dir)
	if err != nil {
		return nil, err
	}
	list := make([]Listed, len(found))
	for i, m := range found {
		list[i] = listed(m.name, dir, m.file)
	}
	for _, p := range filesBelow(dir) {
		r, ok := ParseRepo(p)
		s, shard := parseShard(path.Base(p))
		if ok && r.File != "" && !(shard && s.no != 1) && !strings.HasPrefix(path.Base(p), "mmproj") {
			list = append(list, listed(p, dir, filepath.FromSlash(p)))
		}
	}
	return list, nil
}

// listed adds up the files of a model.
func listed(name, dir, file string) Listed {
	l := Listed{Name: name, Path: filepath.Join(dir, file)}
	folder, base := filepath.Split(l.Path)
	for _, name := range Shards(base) {
		if info, err := os.Stat(folder + name); err == nil {
			l.Size += uint64(info.Size())
		}
	}
	return l
}
