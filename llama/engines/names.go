package engines

import (
	"cmp"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// system is the operating system whose names libraries have.
const system = runtime.GOOS

// libraryName is the name of a library in its parts: libllama.vulkan.v0.5.0.so.0 is the library
// "llama" with the tag "vulkan.v0.5.0" and the number 0.
type libraryName struct {
	file    string
	library string
	tag     string
	number  []int // of the interface (.so.0.9.4, .0.9.4.dylib); nil: none
}

// parseName returns the parts of a library's name; false for other files.
func parseName(file, system string) (n libraryName, ok bool) {
	n.file = file
	rest := file
	switch system {
	case "windows":
		rest = strings.ToLower(rest)
		if rest, ok = strings.CutSuffix(rest, ".dll"); !ok {
			return n, false
		}
		rest = strings.TrimPrefix(rest, "lib")
	default:
		if rest, ok = strings.CutPrefix(rest, "lib"); !ok {
			return n, false
		}
		// Modules have .so on macOS too.
		before, ok := cutExtension(rest, system, &n.number)
		if !ok {
			return n, false
		}
		rest = before
	}
	parts := strings.Split(rest, ".")
	n.library = parts[0]
	if numbers, ok := allNumbers(parts[1:]); ok && system == "darwin" {
		n.number = numbers
	} else {
		n.tag = strings.Join(parts[1:], ".")
	}
	return n, n.library != ""
}

// cutExtension cuts .dylib, .so, or .so.1.2 from a name.
func cutExtension(name, system string, number *[]int) (before string, ok bool) {
	if system == "darwin" {
		if before, ok = strings.CutSuffix(name, ".dylib"); ok {
			return before, true
		}
		return strings.CutSuffix(name, ".so")
	}
	if before, ok = strings.CutSuffix(name, ".so"); ok {
		return before, true
	}
	i := strings.LastIndex(name, ".so.")
	if i < 0 {
		return name, false
	}
	*number, ok = allNumbers(strings.Split(name[i+len(".so."):], "."))
	return name[:i], ok
}

// allNumbers parses texts as numbers; false if one is none. No texts are nil.
func allNumbers(texts []string) (numbers []int, ok bool) {
	for _, s := range texts {
		n, err := strconv.ParseUint(s, 10, 31)
		if err != nil {
			return nil, false
		}
		numbers = append(numbers, int(n))
	}
	return numbers, true
}

// extension is that of shared libraries.
func extension(system string) string {
	switch system {
	case "windows":
		return "dll"
	case "darwin":
		return "dylib"
	}
	return "so"
}

// plainName is the name of a library without a tag.
func plainName(library, system string) string {
	prefix := "lib"
	if system == "windows" {
		prefix = ""
	}
	return prefix + library + "." + extension(system)
}

// ofEngine reports whether a library is one of llama.cpp's.
func (n libraryName) ofEngine() bool {
	base, _, _ := strings.Cut(n.library, "-")
	return base == "llama" || base == "ggml"
}

// backend returns the name of a backend's library without ggml-, or "".
func (n libraryName) backend() string {
	name, ok := strings.CutPrefix(n.library, "ggml-")
	if !ok || name == "base" {
		return ""
	}
	return name
}

// Libraries are the three libraries of one engine. Names are those of files in its folder.
type Libraries struct {
	Variant string // from the names: "", "vulkan", "cuda", "metal"
	Version string // from the names: "v0.5.0", or ""

	Llama, Ggml, Base string
}

// required are the libraries without which there is no engine.
var required = []string{"llama", "ggml", "ggml-base"}

// choose returns the engines among libraries, the one to prefer first, or the names of required
// libraries that are not there.
func choose(names []libraryName) (engines []Libraries, lacking []string) {
	best := map[[2]string]libraryName{} // by library and tag
	for _, n := range names {
		key := [2]string{n.library, n.tag}
		if old, ok := best[key]; !ok || preferred(n, old) {
			best[key] = n
		}
	}
	have := map[string]bool{}
	for key, n := range best {
		have[n.library] = true
		if n.library != "llama" {
			continue
		}
		ggml, ok := best[[2]string{"ggml", key[1]}]
		if !ok {
			continue
		}
		base, ok := best[[2]string{"ggml-base", key[1]}]
		if !ok {
			base, ok = best[[2]string{"ggml-base", ""}]
		}
		if ok {
			e := Libraries{Llama: n.file, Ggml: ggml.file, Base: base.file}
			e.Variant, e.Version = cutTag(key[1])
			engines = append(engines, e)
		}
	}
	slices.SortFunc(engines, func(a, b Libraries) int {
		return cmp.Or(compareVersions(b.Version, a.Version), strings.Compare(a.Variant, b.Variant), strings.Compare(a.Llama, b.Llama))
	})
	if len(engines) > 0 {
		return engines, nil
	}
	for _, name := range required {
		if !have[name] {
			lacking = append(lacking, name)
		}
	}
	if lacking == nil { // all are there, of different builds
		lacking = []string{"ggml"}
	}
	return nil, lacking
}

// preferred reports whether a file is to be used rather than another of the same library and tag:
// the one without a number, otherwise the one with the highest.
func preferred(a, b libraryName) bool {
	if (a.number == nil) != (b.number == nil) {
		return a.number == nil
	}
	return cmp.Or(slices.Compare(a.number, b.number), -strings.Compare(a.file, b.file)) > 0
}

// cutTag cuts a tag such as vulkan.v0.5.0 into variant and version.
func cutTag(tag string) (variant, version string) {
	parts := strings.Split(tag, ".")
	for i, part := range parts {
		if len(part) > 1 && part[0] == 'v' && part[1] >= '0' && part[1] <= '9' {
			return strings.Join(parts[:i], "."), strings.Join(parts[i:], ".")
		}
	}
	return tag, ""
}

// compareVersions compares v0.5.0 and v0.10.0 by their numbers. No version is the lowest.
func compareVersions(a, b string) int {
	x, _ := allNumbers(strings.Split(strings.TrimPrefix(a, "v"), "."))
	y, _ := allNumbers(strings.Split(strings.TrimPrefix(b, "v"), "."))
	return cmp.Or(slices.Compare(x, y), strings.Compare(a, b))
}

// Paths returns the libraries with their folder, in the order in which they are to be loaded.
func (l Libraries) Paths(folder string) (base, ggml, llama string) {
	return filepath.Join(folder, l.Base), filepath.Join(folder, l.Ggml), filepath.Join(folder, l.Llama)
}
