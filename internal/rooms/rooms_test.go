// Package rooms holds tests of the shape of this module's code: short functions, packages of
// few files, and imports that go down only. `make lint` runs them.
package rooms

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	mostLines = 80 // of a function
	mostFiles = 40 // of a package, without tests
	module    = "github.com/seed7adf6694/infer"
)

// exceptions are functions ("file: name") and packages that are larger. Each is to be made
// smaller: the list is to be empty.
var exceptions = []string{}

// floors are the rooms of this module, with those that are below each. The private packages
// of a room are part of it.
var floors = []struct {
	room  string
	below []string
}{
	{"cmd", []string{"benchmarks", "runtime", "llama", "loader", "models", "internal"}},
	{"benchmarks", []string{"runtime", "llama", "loader", "models", "internal"}},
	{"examples", []string{"runtime", "llama", "loader", "models"}},
	{"runtime", []string{"llama", "loader", "models", "internal"}},
	{"models", []string{"loader", "internal"}},
	{"llama", []string{"internal"}},
	{"loader", []string{"internal"}},
}

// loaderRooms are the packages of loader, with those of them that are below each.
var loaderRooms = map[string][]string{
	"loader/residency":        {"loader", "loader/gguf", "loader/memory", "loader/probe", "loader/internal/space"},
	"loader/residency/replay": {"loader/residency"},
	"loader":                  {"loader/gguf", "loader/gguf/check", "loader/memory", "loader/probe", "loader/internal/space"},
	"loader/packed":           {"loader/gguf"},
	"loader/memory":           {"loader/probe", "loader/internal/space"},
	"loader/probe":            {"loader/internal/space"},
	"loader/internal/space":   nil,
	"loader/gguf/check":       {"loader/gguf"},
	"loader/gguf":             nil,
}

// sources calls f with each file that is no test, by its path from the module's folder.
func sources(t *testing.T, f func(path, text string)) {
	t.Helper()
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != root && (strings.HasPrefix(name, ".") || name == "testdata" || path == filepath.Join(root, "bin")) {
				return filepath.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(name, "_test.go") || !slices.Contains([]string{".go", ".c", ".cpp", ".h", ".hpp"}, filepath.Ext(name)) {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		f(filepath.ToSlash(rel), strings.ReplaceAll(string(text), "\r\n", "\n"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// function is one with its length in lines.
type function struct {
	name  string
	lines int
}

// functionsOf lists the functions of a file.
func functionsOf(path, text string) ([]function, error) {
	if filepath.Ext(path) != ".go" {
		return nativeFunctions(text), nil
	}
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, path, text, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var list []function
	ast.Inspect(f, func(n ast.Node) bool {
		name := ""
		switch n := n.(type) {
		case *ast.FuncDecl:
			name = n.Name.Name
		case *ast.FuncLit:
			name = "a function without a name"
		default:
			return true
		}
		list = append(list, function{name, set.Position(n.End()).Line - set.Position(n.Pos()).Line + 1})
		return false // those in it are shorter
	})
	return list, nil
}

// nativeFunctions lists those of C and C++ as this module writes them: they begin at the
// first column and end with a brace there.
func nativeFunctions(text string) (list []function) {
	begin, name := 0, ""
	for i, line := range strings.Split(text, "\n") {
		switch {
		case name != "" && strings.HasPrefix(line, "}"):
			list = append(list, function{name, i - begin + 1})
			name = ""
		case name == "" && begins(line):
			before, _, _ := strings.Cut(line, "(")
			words := strings.Fields(before)
			begin, name = i, words[len(words)-1]
		}
	}
	return list
}

// begins tells whether a line is the first of a function.
func begins(line string) bool {
	if line == "" || strings.ContainsAny(line[:1], " \t/#}") || !strings.Contains(line, "(") || strings.HasSuffix(line, ";") || strings.HasSuffix(line, "}") {
		return false
	}
	for _, word := range []string{"struct infer_", "class ", "enum ", "typedef ", "namespace", "template", "using "} {
		if strings.HasPrefix(line, word) && !strings.HasSuffix(line, "{") {
			return false
		}
	}
	return true
}

// tooLarge lists what is larger than it may be, with how large.
func tooLarge(t *testing.T) map[string]string {
	found := map[string]string{}
	files := map[string]int{}
	seen := map[string]int{} // functions by kind of file
	sources(t, func(path, text string) {
		list, err := functionsOf(path, text)
		if err != nil {
			t.Error(err)
		}
		seen[filepath.Ext(path)] += len(list)
		for _, f := range list {
			if f.lines > mostLines {
				found[path+": "+f.name] = fmt.Sprintf("%d lines, at most %d", f.lines, mostLines)
			}
		}
		if i := strings.LastIndexByte(path, '/'); filepath.Ext(path) == ".go" {
			files[path[:max(i, 0)]]++
		}
	})
	if seen[".go"] < 2000 || seen[".cpp"]+seen[".hpp"] < 150 {
		t.Errorf("only %v functions found", seen)
	}
	for dir, n := range files {
		if n > mostFiles {
			found[dir+": files"] = fmt.Sprintf("%d files that are no tests, at most %d", n, mostFiles)
		}
	}
	return found
}

func TestFunctionsAndPackagesAreSmall(t *testing.T) {
	found := tooLarge(t)
	for what, size := range found {
		if !slices.Contains(exceptions, what) {
			t.Errorf("%s: %s", what, size)
		}
	}
	for _, what := range exceptions {
		if size, ok := found[what]; ok {
			t.Logf("still too large: %s: %s", what, size)
		} else {
			t.Errorf("%s is no exception any more: take it out of the list", what)
		}
	}
}

func TestImportsGoDown(t *testing.T) {
	imports := 0
	sources(t, func(path, text string) {
		if filepath.Ext(path) != ".go" {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ImportsOnly)
		if err != nil {
			t.Error(err)
			return
		}
		room := firstElement(path)
		for _, i := range f.Imports {
			p, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Error(err)
			}
			rel, ours := strings.CutPrefix(p, module+"/")
			if !ours {
				continue
			}
			imports++
			if to := firstElement(rel); to != room && !allowed(room, to) {
				t.Errorf("%s imports %s: %s is not below %s", path, p, to, room)
			}
			if below, listed := loaderRooms[filepath.ToSlash(filepath.Dir(path))]; listed && firstElement(rel) == "loader" && !slices.Contains(below, rel) {
				t.Errorf("%s imports %s, which is not below it", path, p)
			}
		}
	})
	if imports < 100 {
		t.Errorf("only %d imports of this module's found", imports)
	}
}

func firstElement(path string) string {
	first, _, _ := strings.Cut(path, "/")
	return first
}

// allowed tells whether a room may import another. Packages for tests and releases may
// import all.
func allowed(from, to string) bool {
	for _, f := range floors {
		if f.room == from {
			return slices.Contains(f.below, to)
		}
	}
	return from == "internal"
}

func TestLongFunctionsAreFound(t *testing.T) {
	body := strings.Repeat("\n", 79)
	for _, tt := range []struct {
		name, file, text string
		want             []function
	}{
		{"a function of Go", "x.go", "package x\nfunc f() {\n" + body + "}\n", []function{{"f", 81}}},
		{"a function in a variable", "x.go", "package x\nvar f = func() {\n" + body + "}\n", []function{{"a function without a name", 81}}},
		{"a method", "x.go", "package x\nfunc (x T) g() {}\n", []function{{"g", 1}}},
		{"a function of C++", "x.cpp", "namespace {\nstatic int f(int a,\n        int b) {\n" + body + "}\n}\n", []function{{"f", 82}}},
		{"a function of the C interface", "x.cpp", "extern \"C\" bool infer_x(int i) {\n}\n", []function{{"infer_x", 2}}},
		{"a declaration", "x.h", "bool f(int i);\nstruct infer_x {\n    int i;\n};\n", nil},
		{"a method of C++ beside its class", "x.cpp", "infer::x::~x() {\n" + body + "}\n", []function{{"infer::x::~x", 81}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := functionsOf(tt.file, tt.text)
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("%v, %v, want %v", got, err, tt.want)
			}
		})
	}
}
