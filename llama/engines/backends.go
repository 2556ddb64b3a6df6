package engines

import (
	"path/filepath"
	"slices"
	"strings"
)

// libraryFile is a library of an engine.
type libraryFile struct {
	libraryName
	path string
}

// backendDirs lists the folders with the backends of the engine in dir, whose library ggml is given:
// dir itself, and those that builds of distributions have as GGML_BACKEND_DIR. Engines do not say
// where it is before they are loaded.
func backendDirs(dir, ggml string) (dirs []string) {
	candidates := []string{dir}
	if system != "windows" {
		// Debian has ggml/backends0, Arch ggml/backends, Gentoo llama-cpp.
		candidates = append(candidates, matches(dir, "ggml", "backends*")...)
		candidates = append(candidates, filepath.Join(dir, "ggml"), filepath.Join(dir, "llama-cpp"), filepath.Join(dir, "llama.cpp"))
		// Homebrew links libraries into one folder, and has backends beside the folder of the original.
		if real, err := filepath.EvalSymlinks(filepath.Join(dir, ggml)); err == nil && filepath.Dir(real) != dir {
			candidates = append(candidates, filepath.Dir(real), filepath.Join(filepath.Dir(filepath.Dir(real)), "libexec"))
		}
	}
	for _, c := range candidates {
		real, err := filepath.EvalSymlinks(c)
		if err != nil || slices.Contains(dirs, real) {
			continue
		}
		names, err := listEngine(real)
		if err == nil && slices.ContainsFunc(names, func(n libraryName) bool { return n.backend() != "" }) {
			dirs = append(dirs, real)
		}
	}
	return dirs
}

// libraries lists the files of an engine, in the order of their names: those in its folder, and the
// backends in others. A backend that is in two folders counts in the first.
func libraries(dir string, backends []string) (list []libraryFile, err error) {
	names, err := listEngine(dir)
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		list = append(list, libraryFile{n, filepath.Join(dir, n.file)})
	}
	for _, other := range backends {
		if other == dir {
			continue
		}
		names, err := listEngine(other)
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			there := slices.ContainsFunc(list, func(f libraryFile) bool { return f.file == n.file })
			if n.backend() != "" && !there {
				list = append(list, libraryFile{n, filepath.Join(other, n.file)})
			}
		}
	}
	slices.SortFunc(list, func(a, b libraryFile) int { return strings.Compare(a.file, b.file) })
	return list, nil
}
