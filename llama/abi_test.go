//go:build cgo

package llama_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	goruntime "runtime"
	"slices"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/llama"
)

const engineModule = "github.com/ollama/ollama"

// engineDir is the folder of the engine's module.
func engineDir(t *testing.T) string {
	t.Helper()
	gocmd, err := exec.LookPath("go")
	if err != nil {
		t.Skip("no go command in PATH, which knows the engine's folder")
	}
	out, err := exec.Command(gocmd, "list", "-m", "-f", "{{.Dir}}", engineModule).Output()
	dir := strings.TrimSpace(string(out))
	if err != nil || dir == "" {
		t.Skipf("go list knows no folder of %s: %v", engineModule, err)
	}
	return dir
}

// compiler runs g++ on a program that includes the engine's headers.
func compiler(t *testing.T) func(program string, args ...string) (string, error) {
	t.Helper()
	if testing.Short() {
		t.Skip("the sources of the compiled-in engine are the same, whatever runs the tests")
	}
	gxx, err := exec.LookPath("g++")
	if err != nil {
		t.Skip("no g++ in PATH")
	}
	engine := engineDir(t)
	return func(program string, args ...string) (string, error) {
		file := filepath.Join(t.TempDir(), "abi.cpp")
		if err := os.WriteFile(file, []byte(program), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{"llama/llama.cpp/include", "llama/llama.cpp/src", "ml/backend/ggml/ggml/include", "ml/backend/ggml/ggml/src"} {
			args = append(args, "-I", filepath.Join(engine, filepath.FromSlash(dir)))
		}
		out, err := exec.Command(gxx, append(args, "-std=c++17", "-w", file)...).CombinedOutput()
		return string(out), err
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const engineHeaders = `
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <type_traits>
#include "llama.h"
#include "ggml.h"
#include "ggml-backend.h"
#include "ggml-cpu.h"
#include "ggml-backend-impl.h"
`

// sameTypes compares a type made of the declarations in namespace ours with one made of
// the engine's.
const sameTypes = `
template <typename A, typename B> struct same : std::is_same<A, B> {};
template <typename A, typename B> struct same<A *, B *> : same<A, B> {};
template <typename A, typename B> struct same<const A, const B> : same<A, B> {};
template <typename A, typename B, size_t N> struct same<A[N], B[N]> : same<A, B> {};
template <typename...> struct list {};
template <typename A, typename B> struct same_list : std::false_type {};
template <> struct same_list<list<>, list<>> : std::true_type {};
template <typename A, typename... As, typename B, typename... Bs> struct same_list<list<A, As...>, list<B, Bs...>>
    : std::bool_constant<same<A, B>::value && same_list<list<As...>, list<Bs...>>::value> {};
template <typename R, typename S, typename... As, typename... Bs> struct same<R(As...), S(Bs...)>
    : std::bool_constant<same<R, S>::value && same_list<list<As...>, list<Bs...>>::value> {};
`

// comparison is the program that does not compile unless our declarations are the
// engine's. The types are put into a namespace; the functions are declared again, which
// is an error where they differ, after each was found among the engine's.
func comparison(types, functions declarations, typesText, functionsText string) string {
	var p strings.Builder
	add := func(format string, args ...any) { fmt.Fprintf(&p, format+"\n", args...) }
	add("%s%s", engineHeaders, sameTypes)
	for _, f := range functions.functions {
		add("using fn_%[1]s = decltype(&::%[1]s);", f)
	}
	add("%s", functionsText)
	for _, f := range functions.functions {
		add(`static_assert(std::is_same<fn_%[1]s, decltype(&::%[1]s)>::value, "%[1]s: prototype");`, f)
	}
	for _, m := range types.macros {
		add("constexpr long long macro_%[1]s = %[1]s;\n#undef %[1]s", m)
	}
	add("namespace ours {\n%s\n}", typesText)
	for _, m := range types.macros {
		add(`static_assert(%[1]s == macro_%[1]s, "%[1]s: value");`, m)
	}
	names := slices.Clone(types.opaque)
	for _, s := range types.structs {
		names = append(names, s.name)
	}
	slices.Sort(names)
	for _, s := range slices.Compact(names) {
		add("template <> struct same<struct ours::%[1]s, struct ::%[1]s> : std::true_type {};", s)
	}
	for _, e := range types.enums {
		add("template <> struct same<enum ours::%[1]s, enum ::%[1]s> : std::true_type {};", e.name)
		add(`static_assert(std::is_same<std::underlying_type<enum ours::%[1]s>::type, std::underlying_type<enum ::%[1]s>::type>::value, "%[1]s: size and sign");`, e.name)
		for _, c := range e.members {
			add(`static_assert((long long) ours::%[1]s == (long long) ::%[1]s, "%[1]s: value");`, c)
			add(`static_assert(std::is_same<decltype(::%[1]s), enum ::%[2]s>::value, "%[1]s: enum");`, c, e.name)
		}
	}
	for _, t := range types.typedefs {
		add(`static_assert(same<ours::%[1]s, ::%[1]s>::value, "%[1]s: type");`, t)
	}
	for _, s := range types.structs {
		add(`static_assert(sizeof(struct ours::%[1]s) == sizeof(struct ::%[1]s) && alignof(struct ours::%[1]s) == alignof(struct ::%[1]s), "%[1]s: size");`, s.name)
		for _, f := range s.members {
			add(`static_assert(offsetof(struct ours::%[1]s, %[2]s) == offsetof(struct ::%[1]s, %[2]s), "%[1]s.%[2]s: offset");`, s.name, f)
			add(`static_assert(sizeof(ours::%[1]s::%[2]s) == sizeof(::%[1]s::%[2]s), "%[1]s.%[2]s: size");`, s.name, f)
			add(`static_assert(same<decltype(ours::%[1]s::%[2]s), decltype(::%[1]s::%[2]s)>::value, "%[1]s.%[2]s: type");`, s.name, f)
		}
	}
	return p.String()
}

func parse(t *testing.T, text string) declarations {
	t.Helper()
	d, err := parseHeader(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// builtinDeclarations returns the declarations of the compiled-in engine's types and of its functions.
func builtinDeclarations(t *testing.T) (types, functions string) {
	t.Helper()
	types, functions, ok := strings.Cut(read(t, "abi_builtin.h"), `#include "abi_functions.h"`)
	if !ok {
		t.Fatal("abi_builtin.h does not include abi_functions.h")
	}
	types = strings.Replace(types, `#include "abi_types.h"`, "", 1)
	types = strings.Replace(types, "#ifndef INFER_ABI_BUILTIN_H\n", "", 1)
	return read(t, "abi_types.h") + types, read(t, "abi_functions.h") + strings.TrimSuffix(strings.TrimSpace(functions), "#endif")
}

func TestNamesAreThoseOfTheFunctions(t *testing.T) {
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^    X\((\w+)\)`).FindAllStringSubmatch(read(t, "abi_names.h"), -1) {
		names = append(names, m[1])
	}
	if want := parse(t, read(t, "abi_functions.h")).functions; !slices.Equal(names, want) {
		t.Errorf("abi_names.h has %q, abi_functions.h %q", names, want)
	}
}

func members(list []compound) (n int) {
	for _, c := range list {
		n += len(c.members)
	}
	return n
}

func TestDeclarationsAreTheEngines(t *testing.T) {
	gxx := compiler(t)
	typesText, functionsText := builtinDeclarations(t)
	types, functions := parse(t, typesText), parse(t, functionsText)

	// What the parser found, against what another look at the text finds: one
	// declaration a line, as these files are written.
	count := func(text, line string) int { return len(regexp.MustCompile(`(?m)^`+line+`$`).FindAllString(text, -1)) }
	for _, c := range []struct {
		what       string
		found, all int
	}{
		{"functions", len(functions.functions), count(functionsText, `\w.*\);`)},
		{"macros", len(types.macros), count(typesText, `#define \w+ +.*`)},
		{"fields", members(types.structs), count(typesText, `    .*;`)},
		{"constants", members(types.enums), count(typesText, `    [A-Z]\w+ *(=.*)?,`)},
		{"structs", len(types.structs), count(typesText, `(typedef )?struct \w+ \{`)},
		{"enums", len(types.enums), count(typesText, `enum \w+ \{`)},
		{"typedefs", len(types.typedefs), count(typesText, `typedef .*;`)},
	} {
		t.Logf("%d %s", c.found, c.what)
		if c.found != c.all || c.found == 0 {
			t.Errorf("%d %s parsed, %d are declared", c.found, c.what, c.all)
		}
	}
	if n := len(functions.structs) + len(functions.enums) + len(types.functions); n != 0 {
		t.Errorf("%d declarations in the header that is not for them", n)
	}

	if out, err := gxx(comparison(types, functions, typesText, functionsText), "-fsyntax-only"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}

	// A field that the engine has at the end, within the padding, changes no offset.
	theirs, err := gxx(engineHeaders, "-E", "-P")
	if err != nil {
		t.Fatalf("%v\n%s", err, theirs)
	}
	for _, s := range types.structs {
		if fields, err := structFields(theirs, s.name); err != nil || !slices.Equal(fields, s.members) {
			t.Errorf("struct %s has the fields %v, the engine's %v (%v)", s.name, s.members, fields, err)
		}
	}
}

// On a CPU with AMX, the engine is compiled to refer to what only its C++ build has.
func TestLinksForAMX(t *testing.T) {
	if goruntime.GOARCH != "amd64" {
		t.Skip("AMX is of x86-64, and this compiler is not")
	}
	gxx := compiler(t)
	for _, flags := range [][]string{nil, {"-mavx512f", "-mavx512vnni", "-mamx-tile", "-mamx-int8"}} {
		args := append(flags, "-O2", "-I", filepath.Join(engineDir(t), "ml/backend/ggml/ggml/src/ggml-cpu"), "-o", filepath.Join(t.TempDir(), "amx"), "amx.cpp")
		out, err := gxx(`
#include "amx/amx.h"
#if defined(__AMX_INT8__) && defined(__AVX512VNNI__)
int main() { return ggml_backend_amx_buffer_type() != nullptr; }
#else
int main() { return 0; }
#endif
`, args...)
		if err != nil {
			t.Errorf("%q: %v\n%s", flags, err, out)
		}
	}
}

// One compiler run: each alteration has to be reported whatever the others do.
func TestAlteredDeclarationsAreFound(t *testing.T) {
	gxx := compiler(t)
	typesText, functionsText := builtinDeclarations(t)
	var want []string
	alter := func(text *string, from, to string, reports ...string) {
		t.Helper()
		if strings.Count(*text, from) != 1 {
			t.Fatalf("%q is there %d times", from, strings.Count(*text, from))
		}
		*text = strings.Replace(*text, from, to, 1)
		want = append(want, reports...)
	}
	line := func(text, pattern string) string {
		return regexp.MustCompile(`(?m)^ +` + pattern + `$`).FindString(text)
	}
	swap := func(a, b string) {
		t.Helper()
		x, y := line(typesText, a), line(typesText, b)
		if x == "" || !strings.Contains(typesText, x+"\n"+y) {
			t.Fatalf("%q and %q are not neighbours", a, b)
		}
		typesText = strings.Replace(typesText, x+"\n"+y, y+"\n"+x, 1)
	}

	swap(`float +\*? *embd;`, `llama_pos \* +pos;`) // pointers both: only the offsets tell
	want = append(want, "llama_batch.embd: offset", "llama_batch.pos: offset")
	alter(&typesText, line(typesText, `uint32_t +n_ubatch;`), "int32_t n_ubatch;", "llama_context_params.n_ubatch: type")
	alter(&typesText, line(typesText, `int32_t +n_reused;`), "int64_t n_reused;", "llama_perf_context_data.n_reused: size") // within the padding
	alter(&typesText, line(typesText, `float +bias;`), "double bias;", "llama_logit_bias: size", "llama_logit_bias.bias: size")
	alter(&typesText, line(typesText, `void +\(\*clear\)\(.*;`), "void (*clear)(ggml_backend_buffer_t buffer, int value);", "ggml_backend_buffer_i.clear: type")
	alter(&typesText, "LLAMA_POOLING_TYPE_CLS         = 2", "LLAMA_POOLING_TYPE_CLS = 5", "LLAMA_POOLING_TYPE_CLS: value")
	alter(&typesText, "#define GGML_MAX_NAME      64", "#define GGML_MAX_NAME 128", "GGML_MAX_NAME: value", "ggml_tensor.name: size")
	alter(&typesText, "typedef int32_t llama_pos;", "typedef uint32_t llama_pos;", "llama_pos: type")
	alter(&typesText, "typedef bool (*llama_progress_callback)(float progress", "typedef bool (*llama_progress_callback)(double progress", "llama_progress_callback: type")
	alter(&functionsText, "llama_n_ctx(const struct llama_context * ctx)", "llama_n_ctx(struct llama_context * ctx)", "llama_n_ctx")
	alter(&functionsText, "int32_t llama_model_n_embd(", "int64_t llama_model_n_embd(", "llama_model_n_embd")
	alter(&functionsText, "void llama_free(", "void llama_set_free(", "llama_set_free")

	out, err := gxx(comparison(parse(t, typesText), parse(t, functionsText), typesText, functionsText), "-fsyntax-only")
	if err == nil {
		t.Fatal("altered declarations compile")
	}
	// Without the lines that only quote the source.
	messages := strings.Join(regexp.MustCompile(`(?m)^.*error: .*$`).FindAllString(out, -1), "\n")
	for _, w := range want {
		if !strings.Contains(messages, w) {
			t.Errorf("no error about %s", w)
		}
	}
	if t.Failed() {
		t.Log(messages)
	}
}

func TestUnparsedDeclarationsAreErrors(t *testing.T) {
	for _, tt := range []struct{ name, text string }{
		{"two fields in one declaration", "struct s { int a, b; };"},
		{"a bit field", "struct s { int a : 3; };"},
		{"a union", "union u { int a; };"},
		{"a nested struct", "struct s { struct { int a; } b; };"},
		{"a struct of another name", "typedef struct s { int a; } t;"},
		{"a variable", "extern int x;"},
		{"a conditional declaration", "#if X\nint f(void);\n#endif\n"},
		{"a function with a body", "static int f(void) { return 1; }"},
		{"a declaration that does not end", "int f(void)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if d, err := parseHeader(tt.text); err == nil {
				t.Errorf("parsed as %+v", d)
			}
		})
	}
}

// The C++ interface that engine_builtin.cpp declares for itself.
func TestInternalDeclarationsAreTheEngines(t *testing.T) {
	gxx := compiler(t)
	text := read(t, "engine_builtin.cpp")
	one := func(pattern string) []string {
		t.Helper()
		m := regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1)
		if len(m) != 1 {
			t.Fatalf("%q is there %d times", pattern, len(m))
		}
		return m[0]
	}
	function := one(`(?m)^const .* & llama_internal_get_tensor_map\(.*\);$`)[0]
	method := one(`struct llama_context \{\n\s*(\w+) (\w+)(\(.*\));\n`)
	program := fmt.Sprintf(`
#include "llama-model.h"
#include "llama-context.h"
using fn = decltype(&llama_internal_get_tensor_map);
%s
static_assert(std::is_same<fn, decltype(&llama_internal_get_tensor_map)>::value, "function");
static_assert(std::is_same<%s (llama_context::*)%s, decltype(&llama_context::%s)>::value, "method");
static_assert(!std::is_polymorphic<llama_context>::value, "virtual methods are not called by their names");
`, function, method[1], method[3], method[2])
	if out, err := gxx(program, "-fsyntax-only"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestEngineIsTheOneCheckedAgainst(t *testing.T) {
	t.Run("go.mod requires the version that this package was checked against", func(t *testing.T) {
		if want := engineModule + " " + llama.EngineVersion + "\n"; !strings.Contains(read(t, "../go.mod"), want) {
			t.Errorf("go.mod has no line %q", want)
		}
	})
	t.Run("the engine says it is of the commit that this package names", func(t *testing.T) {
		dir := engineDir(t)
		for file, pattern := range map[string]string{"Makefile.sync": `(?m)^FETCH_HEAD=(\w+)$`, "llama/build-info.cpp": `LLAMA_COMMIT = "(\w+)"`} {
			m := regexp.MustCompile(pattern).FindStringSubmatch(read(t, filepath.Join(dir, filepath.FromSlash(file))))
			if m == nil || m[1] != llama.EngineCommit {
				t.Errorf("%s names %v, this package %s", file, m, llama.EngineCommit)
			}
		}
	})
}
