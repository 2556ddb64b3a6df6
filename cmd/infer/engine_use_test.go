package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/enginetest"
	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/llama/engines"
)

// ownChoice gives this process and its children no choice of an engine, and none that was added.
func ownChoice(t *testing.T) {
	t.Helper()
	engineFolder(t)
	config := t.TempDir()
	for _, name := range []string{"XDG_CONFIG_HOME", "AppData"} {
		t.Setenv(name, config)
	}
	t.Setenv(engineVariable, "")
}

// crashing makes a folder with an engine whose library ends the process that loads it.
func crashing(t *testing.T) string {
	t.Helper()
	cc, err := exec.LookPath("cc")
	if err != nil || goruntime.GOOS == "windows" {
		t.Skip("no C compiler cc for libraries of this system")
	}
	extension := map[string]string{"darwin": ".dylib"}[goruntime.GOOS]
	if extension == "" {
		extension = ".so"
	}
	dir := t.TempDir()
	for _, name := range []string{"ggml-base", "ggml", "llama"} {
		cmd := exec.Command(cc, "-shared", "-fPIC", "-w", "-o", filepath.Join(dir, "lib"+name+extension), "-x", "c", "-")
		cmd.Stdin = strings.NewReader("#include <signal.h>\n__attribute__((constructor)) static void begin(void) { raise(SIGILL); }\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	return dir
}

func TestARefusedEngineIsAnErrorWithTheRemedy(t *testing.T) {
	needEngine(t)
	ownChoice(t)
	dir := crashing(t)
	r := call(t, "--engine", dir, "-p", "a", "-n", "1")
	if r.code != exitFailure || r.out != "" || !strings.Contains(r.stderr, "SIGILL") || !strings.Contains(r.stderr, "--engine builtin") || strings.Count(r.stderr, "\n") != 1 {
		t.Errorf("%+v", r)
	}
	// The verdict is kept; every command that computes has the flag, and the variable is its default.
	t.Setenv(engineVariable, dir)
	for _, args := range [][]string{
		{"-p", "a"}, {"plan"}, {"embed", "a"}, {"rerank", "a", "b"}, {"tokenize", "a"}, {"inspect"}, {"probe"}, {"quantize", "--list"}, {"pack"}, {"check"},
		{"synthesize", "--list"}, {"perplexity"}, {"version"}, {"--version"}, {"bench", "speed"}, {"bench", "memory"}, {"bench", "pressure"}, {"bench", "experts"},
		{"bench", "floor"}, {"bench", "fragmentation"}, {"bench", "load"}, {"bench", "contention"}, {"bench", "serve"},
	} {
		r := call(t, args...)
		if r.code != exitFailure || !strings.Contains(r.stderr, "SIGILL") || !strings.Contains(r.stderr, "(tried on ") || !strings.Contains(r.stderr, "'infer engine check "+dir+"'") {
			t.Errorf("%q: %+v", args, r)
		}
	}
	if r := call(t, "--json", "-p", "a"); !strings.Contains(r.stderr, `"kind":"engine"`) {
		t.Errorf("%+v", r)
	}
	if r := call(t, "version", "--engine", "builtin"); r.code != 0 || !strings.Contains(r.out, ", compiled in\n") {
		t.Errorf("%+v", r)
	}
	if r := call(t, "engine", "list"); r.code != 0 || !strings.HasPrefix(r.out, "chosen: builtin\n") {
		t.Errorf("%+v", r)
	}
	if r := call(t, "engine", "check", "--json"); r.code != exitFailure || !strings.Contains(r.out, `"failure":"crash"`) || !strings.Contains(r.stderr, `"kind":"engine"`) {
		t.Errorf("%+v", r)
	}
	if r := call(t, "engine", "use", dir); r.code != exitFailure || !strings.Contains(r.stderr, "SIGILL") {
		t.Errorf("%+v", r)
	}
	if chosen, err := engines.Choice(); err != nil || chosen != engines.Builtin {
		t.Errorf("%q, %v", chosen, err)
	}
	// A chosen engine that does not work any more is not passed over.
	t.Setenv(engineVariable, "")
	if err := engines.SetChoice(dir); err != nil {
		t.Fatal(err)
	}
	if r := call(t, "-p", "a"); r.code != exitFailure || !strings.Contains(r.stderr, "'infer engine use builtin'") {
		t.Errorf("%+v", r)
	}
	if r := call(t, "engine", "use", "builtin"); r.code != 0 || !strings.HasPrefix(r.out, "chosen: builtin (llama.cpp ") {
		t.Errorf("%+v", r)
	}
	if r := call(t, "-p", "a", "-n", "1", "-t", "1"); r.code != 0 {
		t.Errorf("%+v", r)
	}
}

func TestWrongUsageOfChosenEngines(t *testing.T) {
	ownChoice(t)
	for _, tt := range []struct {
		args, want string
		code       int
	}{
		{"engine use", "give its name or folder", exitUsage},
		{"engine use auto", "auto is the engine that was chosen", exitUsage},
		{"engine use a b", `unexpected argument "b"`, exitUsage},
		{"engine check a b", `unexpected argument "b"`, exitUsage},
		{"version --engine=", "--engine is empty", exitUsage},
		{"version --engine none-of-these", "'infer engine list'", exitFailure},
		{"engine check none-of-these", "'infer engine list'", exitFailure},
	} {
		if r := call(t, strings.Fields(tt.args)...); r.code != tt.code || !strings.Contains(r.stderr, tt.want) {
			t.Errorf("%s: %+v", tt.args, r)
		}
	}
}

func TestTheEngineInUseIsNamed(t *testing.T) {
	needEngine(t)
	folder := enginetest.Folder(t)
	ownChoice(t)
	infer := func(args ...string) (out, stderr string) {
		t.Helper()
		cmd, errs := program(t, args...)
		text, err := cmd.Output()
		if err != nil {
			t.Fatalf("%q: %v\n%s", args, err, errs)
		}
		return string(text), errs.String()
	}
	want := func(text string, parts ...string) {
		t.Helper()
		for _, part := range parts {
			if !strings.Contains(text, part) {
				t.Errorf("%q is missing in\n%s", part, text)
			}
		}
	}
	builtin, _ := infer("-q", "-p", "Once upon a time", "-n", "8", "--temp", "0", "-t", "1")
	out, stderr := infer("-p", "Once upon a time", "-n", "8", "--temp", "0", "-t", "1", "--engine", folder)
	want(stderr, "; engine llama.cpp 0.5.", "("+filepath.Base(folder)+")")
	if out != builtin {
		t.Errorf("%q, and %q by the compiled-in engine", out, builtin)
	}
	out, _ = infer("engine", "check", folder)
	want(out, "ABI v0.5", "CPU", "it computes the known text")
	infer("engine", "add", "-q", "--name", "mine", folder)
	infer("engine", "use", "mine")
	out, _ = infer("engine", "list", "--json")
	want(out, `"chosen":"mine"`, `"checked":"ok"`) // a copy of what was checked
	libraries, err := filepath.Glob(filepath.Join(os.Getenv("XDG_DATA_HOME"), "infer", "engines", "mine", "libllama.*"))
	if err != nil || len(libraries) == 0 {
		t.Fatalf("%v, %v", libraries, err)
	}
	if err := os.WriteFile(libraries[0], []byte("no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _ = infer("engine", "list", "--json")
	want(out, `"checked":""`)
	infer("engine", "add", "-q", "--force", "--name", "mine", folder)
	out, _ = infer("version")
	want(out, "llama.cpp 0.5.", "by infer engine use")
	out, _ = infer("probe")
	want(out, "llama.cpp 0.5.", "(mine)")
	out, _ = infer("version", "--json", "--engine", "builtin")
	want(out, `"engine_folder":""`, `"engine_chosen_by":"--engine"`)

	out, _ = infer("bench", "speed", "-p", "4", "-n", "0", "-t", "1", "-r", "1", "-o", "jsonl")
	var record struct {
		Status string
		Reason string
		Engine struct{ ABI, Folder string }
	}
	if err := json.Unmarshal([]byte(out), &record); err != nil || record.Status != "ok" || record.Engine.ABI != llama.ABIv05 || record.Engine.Folder != "mine" {
		t.Errorf("%v, %+v", err, record)
	}
}

// A model of an architecture that only the libraries know.
func TestAModelOfAnotherEngineNamesTheFlag(t *testing.T) {
	needEngine(t)
	ownChoice(t)
	path := filepath.Join(t.TempDir(), "newer.gguf")
	for name, content := range ggufcases.ComputingWith(llama.ABIv05) {
		if strings.HasPrefix(name, "gemma4") && ggufcases.OnlyV0_5(name) {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	r := call(t, "-m", path, "-p", "a", "-n", "4", "-t", "1")
	if r.code != exitFailure || !strings.Contains(r.stderr, "the compiled-in engine does not know this architecture, llama.cpp v0.5.x does") ||
		!strings.Contains(r.stderr, "'infer engine list'") || !strings.Contains(r.stderr, "--engine NAME or DIR") {
		t.Errorf("%+v", r)
	}
	folder := enginetest.Folder(t)
	cmd, stderr := program(t, "-m", path, "-p", "a", "-n", "4", "-t", "1", "--ignore-eos", "--engine", folder)
	if err := cmd.Run(); err != nil || !strings.Contains(stderr.String(), "generated 4 tokens") {
		t.Errorf("%v: %s", err, stderr)
	}
}
