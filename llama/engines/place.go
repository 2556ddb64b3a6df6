package engines

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Kind is why engines are looked for in a place.
type Kind string

// Kinds of places, in the order in which [Find] looks.
const (
	BesideProgram Kind = "program" // the program's folder, and those in its folder engines
	UserFolder    Kind = "user"    // the user's folder: see [UserDir]
	SystemFolder  Kind = "system"  // where systems, package managers and llama.cpp's installer put libraries
	NPMFolder     Kind = "npm"     // packages of node-llama-cpp that npm installed globally, or in the home folder
)

// Place is a folder in which engines are looked for.
type Place struct {
	Kind    Kind
	Dir     string
	Folders []Folder // with an engine or a part of one; in the order of their paths
	Err     error    // why the place can't be read; fs.ErrNotExist if it is not there
}

// Find lists the places in which engines are looked for, in order, with what is in each. A place that
// another leads to is listed once.
func Find() []Place {
	var places []Place
	seen := map[string]bool{}
	for _, c := range candidates(here()) {
		real, err := filepath.EvalSymlinks(c.dir)
		if err == nil {
			if seen[real] {
				continue
			}
			seen[real] = true
		}
		p := Place{Kind: c.kind, Dir: c.dir, Err: err}
		if err == nil {
			p.Folders, p.Err = c.look(c.dir)
		}
		places = append(places, p)
	}
	return places
}

// candidate is a place before it is looked at.
type candidate struct {
	kind Kind
	dir  string
	look func(dir string) ([]Folder, error)
}

// surroundings are what places depend on. Paths that are not absolute are as if they were not set.
type surroundings struct {
	program string // its folder
	user    string // see [UserDir]
	home    string
	getenv  func(string) string
	node    string // the program node; "" if there is none
}

// here returns the surroundings of this process.
func here() surroundings {
	s := surroundings{getenv: os.Getenv}
	if exe, err := os.Executable(); err == nil {
		if exe, err = filepath.EvalSymlinks(exe); err == nil {
			s.program = filepath.Dir(exe)
		}
	}
	s.user, _ = UserDir()
	s.home, _ = os.UserHomeDir()
	s.node = findNode()
	return s
}

// installer is the folder of llama.cpp's own installer; "" without a home folder.
func (s surroundings) installer() string {
	if s.home == "" {
		return ""
	}
	return filepath.Join(s.home, ".llama-app")
}

// candidates lists the places.
func candidates(s surroundings) (list []candidate) {
	add := func(kind Kind, dir string, look func(string) ([]Folder, error)) {
		if filepath.IsAbs(dir) {
			list = append(list, candidate{kind, dir, look})
		}
	}
	if s.program != "" {
		add(BesideProgram, s.program, lookInside)
		add(BesideProgram, filepath.Join(s.program, "engines"), lookBelow)
	}
	add(UserFolder, s.user, lookInUser)
	for _, dir := range libraryFolders(s) {
		add(SystemFolder, dir, lookInside)
	}
	for _, dir := range moduleFolders(s) {
		add(NPMFolder, dir, lookInModules)
	}
	return list
}

// lookInside looks at a folder itself.
func lookInside(dir string) ([]Folder, error) {
	f := inspect(dir)
	if len(f.files) == 0 && f.Engines == nil {
		if _, none := f.Err.(*FolderError); none {
			return nil, nil
		}
		return nil, f.Err
	}
	return []Folder{f}, nil
}

// lookBelow looks at the folders in a folder. Hidden ones are unfinished.
func lookBelow(dir string) (folders []Folder, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if info, err := os.Stat(path); err != nil || !info.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		folders = append(folders, inspect(path))
	}
	return folders, nil
}

// lookInUser looks at the folders in the user's folder, which have names.
func lookInUser(dir string) ([]Folder, error) {
	entries, err := lookBelow(dir)
	for i := range entries {
		entries[i].Name = filepath.Base(entries[i].Path)
	}
	return entries, err
}

// matches lists the folders that match a pattern below a folder whose name may have any characters.
func matches(dir string, pattern ...string) (found []string) {
	dirs := []string{dir}
	for _, p := range pattern {
		var next []string
		for _, d := range dirs {
			if !strings.ContainsAny(p, "*") {
				next = append(next, filepath.Join(d, p))
				continue
			}
			entries, _ := os.ReadDir(d)
			for _, e := range entries {
				if ok, _ := filepath.Match(p, e.Name()); ok {
					next = append(next, filepath.Join(d, e.Name()))
				}
			}
		}
		dirs = next
	}
	return slices.DeleteFunc(dirs, func(d string) bool {
		info, err := os.Stat(d)
		return err != nil || !info.IsDir()
	})
}
