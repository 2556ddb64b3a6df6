package llama_test

import (
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// exported parses this package's files for one build and returns what it exports: names
// to declarations, with the types of parameters and fields but not their names.
func exported(t *testing.T, cgo bool) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	api := map[string]string{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || strings.HasSuffix(file, "_arm64.go") || strings.HasSuffix(file, "_windows.go") || strings.HasSuffix(file, "_darwin.go") {
			continue
		}
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !builds(t, file, string(src), cgo) {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, src, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			declared(api, d)
		}
	}
	return api
}

func builds(t *testing.T, file, src string, cgo bool) bool {
	t.Helper()
	for line := range strings.Lines(src) {
		if !constraint.IsGoBuild(line) {
			continue
		}
		x, err := constraint.Parse(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(file, err)
		}
		return x.Eval(func(tag string) bool {
			return tag == "cgo" && cgo || slices.Contains([]string{"linux", "unix", "amd64", "gc"}, tag)
		})
	}
	return true
}

func declared(api map[string]string, d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		name := d.Name.Name
		if d.Recv != nil {
			recv := strings.TrimPrefix(types.ExprString(d.Recv.List[0].Type), "*")
			if !ast.IsExported(recv) {
				return
			}
			name = recv + "." + name
		}
		if ast.IsExported(d.Name.Name) {
			api["func "+name] = signature(d.Type)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.ValueSpec:
				for _, n := range s.Names {
					if n.IsExported() {
						api[d.Tok.String()+" "+n.Name] = ""
					}
				}
			case *ast.TypeSpec:
				if s.Name.IsExported() {
					declaredType(api, s)
				}
			}
		}
	}
}

func declaredType(api map[string]string, s *ast.TypeSpec) {
	name := "type " + s.Name.Name
	switch x := s.Type.(type) {
	case *ast.StructType:
		api[name] = "struct"
		for _, f := range x.Fields.List {
			for _, n := range f.Names {
				if n.IsExported() {
					api[name+"."+n.Name] = types.ExprString(f.Type)
				}
			}
		}
	default:
		api[name] = types.ExprString(s.Type)
	}
}

func signature(f *ast.FuncType) string {
	list := func(l *ast.FieldList) string {
		var parts []string
		if l != nil {
			for _, p := range l.List {
				for range max(len(p.Names), 1) {
					parts = append(parts, types.ExprString(p.Type))
				}
			}
		}
		return "(" + strings.Join(parts, ", ") + ")"
	}
	return list(f.Params) + " " + list(f.Results)
}

func differences(a, b map[string]string) []string {
	var diff []string
	for name, decl := range a {
		if other, ok := b[name]; !ok {
			diff = append(diff, fmt.Sprintf("%s%s: only with cgo", name, decl))
		} else if decl != other {
			diff = append(diff, fmt.Sprintf("%s: %s with cgo, %s without", name, decl, other))
		}
	}
	for name, decl := range b {
		if _, ok := a[name]; !ok {
			diff = append(diff, fmt.Sprintf("%s%s: only without cgo", name, decl))
		}
	}
	slices.Sort(diff)
	return diff
}

func TestBuildsWithAndWithoutCgoExportTheSame(t *testing.T) {
	with, without := exported(t, true), exported(t, false)
	if len(with) < 100 {
		t.Fatalf("only %d exported names found", len(with))
	}
	for _, d := range differences(with, without) {
		t.Error(d)
	}
}

func TestADifferenceBetweenTheBuildsIsFound(t *testing.T) {
	parse := func(src string) map[string]string {
		f, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\n"+src, 0)
		if err != nil {
			t.Fatal(err)
		}
		api := map[string]string{}
		for _, d := range f.Decls {
			declared(api, d)
		}
		return api
	}
	base := "type M struct { A int; b int }\nfunc (m *M) F(a, b int) error { return nil }\nconst C = 1\nvar V int"
	for name, tt := range map[string]struct {
		src  string
		same bool
	}{
		"other names of parameters, private fields": {"type M struct { A int; c string }\nfunc (x *M) F(int, int) (err error) { return nil }\nconst C = 2\nvar V int", true},
		"a method less":              {"type M struct { A int }\nconst C = 1\nvar V int", false},
		"another parameter":          {strings.Replace(base, "a, b int", "a int", 1), false},
		"another type of a field":    {strings.Replace(base, "A int", "A int64", 1), false},
		"a constant that is a value": {strings.Replace(base, "const C = 1", "var C = 1", 1), false},
		"a function more":            {base + "\nfunc G() {}", false},
	} {
		t.Run(name, func(t *testing.T) {
			if d := differences(parse(base), parse(tt.src)); (len(d) == 0) != tt.same {
				t.Errorf("differences %q", d)
			}
		})
	}
}
