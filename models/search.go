package models

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A search looks up a name in the folders of INFER_MODELS.
type search struct {
	name    string
	folders []searchFolder
	looked  []Looked
	hint    string
}

type searchFolder struct {
	dir    string
	models []folderModel
	err    error // why models could not be listed
}

// open lists the folders.
func (s *search) open(dirs []string) {
	if dirs == nil {
		if os.Getenv(DirsVariable) == "" {
			s.hint = DirsVariable + ", the list of folders with models, is not set"
		}
		dirs = Dirs()
	}
	for _, dir := range dirs {
		if dir == "" {
			continue
		}
		found, err := listFolder(dir)
		s.folders = append(s.folders, searchFolder{dir, found, err})
	}
}

// see records that path was examined without success; err is the reason, nil or fs.ErrNotExist if
// nothing suitable was there.
func (s *search) see(path string, err error) {
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	s.looked = append(s.looked, Looked{path, err})
}

// run does steps 3 to 5 of Resolve; isFolder: the name is a folder in the working directory.
func (s *search) run(isFolder bool) (string, error) {
	for _, f := range s.folders {
		if path, err := s.exact(f); path != "" || err != nil {
			return path, err
		}
	}
	if isFolder {
		if path, err := s.folder(s.name); path != "" || err != nil {
			return path, err
		}
	}
	if path, err := s.prefix(); path != "" || err != nil {
		return path, err
	}
	missing := &NotFoundError{Name: s.name, Looked: s.looked, Suggestions: s.suggest(), Hint: s.hint}
	if hint := pathHint(s.name); hint != "" {
		missing.Suggestions, missing.Hint = nil, hint
	}
	return "", missing
}

// exact looks for the whole name in one folder; path is "" if it is not there.
func (s *search) exact(f searchFolder) (path string, err error) {
	if errors.Is(f.err, fs.ErrNotExist) {
		s.looked = append(s.looked, Looked{f.dir, f.err})
		return "", nil
	}
	files := []string{s.name}
	if !strings.HasSuffix(s.name, extension) {
		files = append(files, s.name+extension)
	}
	folder := ""
	for _, file := range files {
		path := filepath.Join(f.dir, file)
		info, err := os.Stat(path)
		switch {
		case err != nil:
			s.see(path, err)
		case !info.IsDir():
			return checkFile(s.name, path)
		case folder == "":
			folder = path
		}
	}
	for _, m := range f.models {
		if _, isShard := parseShard(m.file); isShard && m.name == s.name {
			return checkFile(s.name, filepath.Join(f.dir, m.file))
		}
	}
	if folder != "" {
		if path, err := s.folder(folder); path != "" || err != nil {
			return path, err
		}
	}
	if f.err != nil {
		s.looked = append(s.looked, Looked{f.dir, f.err})
	}
	return "", nil
}

// folder looks for the only model in a folder; path is "" if there is none.
func (s *search) folder(dir string) (path string, err error) {
	path, err = inFolder(s.name, dir)
	var none *NotFoundError
	if errors.As(err, &none) {
		s.looked = append(s.looked, none.Looked...)
		return "", nil
	}
	return path, err
}

// prefix looks for the only model whose name has this prefix; if several folders have a model with the
// same name, the first counts.
func (s *search) prefix() (path string, err error) {
	var names, paths []string
	for _, f := range s.folders {
		for _, m := range f.models {
			if strings.HasPrefix(m.name, s.name) && !slices.Contains(names, m.name) {
				names = append(names, m.name)
				paths = append(paths, filepath.Join(f.dir, m.file))
			}
		}
	}
	switch len(paths) {
	case 0:
		return "", nil
	case 1:
		return checkFile(s.name, paths[0])
	}
	slices.Sort(paths)
	return "", &AmbiguousError{s.name, paths}
}

// suggest returns similar names: of the embedded model, of models in the folders, and of files in the
// working directory.
func (s *search) suggest() []string {
	names := []string{TinyName}
	for _, f := range s.folders {
		for _, m := range f.models {
			names = append(names, m.name)
		}
	}
	slices.Sort(names)
	near := nearest(strings.TrimSuffix(s.name, extension), slices.Compact(names))
	return append(near, neighbours(s.name)...)
}
