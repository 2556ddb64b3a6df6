package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
	"github.com/seed7adf6694/infer/runtime"
)

// readError reads the object that a run with --json ends standard error with.
func readError(t *testing.T, stderr string) jsonError {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(stderr, "\n"), "\n")
	var e struct{ Error jsonError }
	d := json.NewDecoder(strings.NewReader(lines[len(lines)-1]))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil || e.Error.Kind == "" || e.Error.Message == "" {
		t.Fatalf("%v in %q", err, stderr)
	}
	return e.Error
}

func TestErrorsAreObjectsWithJSON(t *testing.T) {
	engineFolder(t)
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.gguf")
	if err := os.WriteFile(bad, []byte("GGUF\x09"+strings.Repeat("\x00", 27)), 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing.gguf")
	for _, tt := range []struct {
		name string
		args []string
		kind string
		code int
	}{
		{"a flag that is none", []string{"--json", "--frobnicate"}, "usage", exitUsage},
		{"a flag of llama.cpp", []string{"--json", "-hf", "a/b"}, "usage", exitUsage},
		{"a command that is none", []string{"frobnicate", "--json"}, "usage", exitUsage},
		{"no prompt", []string{"--json", "-m", bad}, "usage", exitUsage},
		{"a model that is not there", []string{"--json", "-p", "a", "-m", missing}, "model_not_found", exitFailure},
		{"a file that is no model", []string{"--json", "-p", "a", "-m", bad}, "bad_model", exitFailure},
		{"a plan of one", []string{"plan", "--json", bad}, "bad_model", exitFailure},
		{"a look into one", []string{"inspect", "--json", bad}, "bad_model", exitFailure},
		{"a check of one", []string{"check", "--json", bad}, "bad_model", exitFailure},
		{"two outputs", []string{"tokenize", "--ids", "--json", "x"}, "usage", exitUsage},
		{"its tokens", []string{"tokenize", "--json", "-m", bad, "x"}, "bad_model", exitFailure},
		{"the perplexity of one", []string{"perplexity", "--json", "-f", bad, "-m", missing}, "model_not_found", exitFailure},
		{"a prompt that is not there", []string{"--json", "-f", missing}, "file", exitFailure},
		{"probing", []string{"probe", "--json", "x"}, "usage", exitUsage},
		{"the version", []string{"version", "--json", "x"}, "usage", exitUsage},
		{"a list of the cache", []string{"cache", "list", "--json", "x"}, "usage", exitUsage},
		{"a list of engines", []string{"engine", "list", "--json", "x"}, "usage", exitUsage},
		{"an engine from a file that is none", []string{"engine", "add", "--json", bad}, "engine", exitFailure},
		{"one from a file that is not there", []string{"engine", "add", "--json", missing}, "file", exitFailure},
		{"a quantisation", []string{"quantize", "--json", missing, "q4_0"}, "model_not_found", exitFailure},
		{"a synthesis", []string{"synthesize", "--json"}, "usage", exitUsage},
		{"after two dashes it is text", []string{"tokenize", "-m", missing, "--", "--json"}, "", exitFailure},
		{"as a prompt it is text", []string{"-m", missing, "-p", "--json"}, "", exitFailure},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := call(t, tt.args...)
			if r.code != tt.code {
				t.Errorf("exit code %d", r.code)
			}
			if tt.kind == "" {
				if !strings.HasPrefix(r.stderr, "infer: ") {
					t.Errorf("stderr %q", r.stderr)
				}
				return
			}
			e := readError(t, r.stderr)
			if e.Kind != tt.kind || e.ExitCode != tt.code || strings.Contains(withoutWarning(r.stderr), "infer: ") {
				t.Errorf("%+v, stderr %q", e, r.stderr)
			}
			switch tt.kind {
			case "bad_model":
				if e.File == nil || e.File.Path != bad || e.File.Field != "version" || e.File.Offset != 4 {
					t.Errorf("file %+v", e.File)
				}
			case "model_not_found":
				if e.Model == nil || e.Model.Name != missing {
					t.Errorf("model %+v", e.Model)
				}
			}
		})
	}
}

// What only another engine knows is refused by name, with the command that finds engines.
func TestModelsOfOtherEnginesAreRefusedWithAdvice(t *testing.T) {
	for _, tt := range []struct{ name, kind, names string }{
		{"gemma4", "unsupported_architecture", `"gemma4"`},
		{"qwen3 nvfp4", "unsupported_type", "of type nvfp4"},
	} {
		path := filepath.Join(t.TempDir(), "model.gguf")
		for _, b := range ggufcases.ComputingWith("v0.5", tt.name) {
			memtest.Need(t, os.WriteFile(path, b, 0o600))
		}
		r := call(t, "--json", "-p", "a", "-m", path)
		e := readError(t, r.stderr)
		if r.code != exitFailure || e.Kind != tt.kind || e.File == nil || e.File.Value != tt.names ||
			!strings.Contains(e.Message, "llama.cpp v0.5.x does") || !strings.Contains(e.Message, "'infer engine list'") {
			t.Errorf("%s: exit code %d, %+v, %+v", tt.name, r.code, e, e.File)
		}
		if r := call(t, "inspect", "--json", path); r.code != 0 || !strings.Contains(r.out, "llama.cpp v0.5.x does") {
			t.Errorf("%s: inspect: exit code %d, %s", tt.name, r.code, r.out)
		}
	}
}

func TestFiguresOfErrorsWithJSON(t *testing.T) {
	refused := &memory.Error{Purpose: memory.PurposeKV, Requested: 5 << 20, Available: 3 << 20, Limit: "control group", Remedies: []memory.Remedy{{Kind: memory.RemedyContext, Tokens: 512}},
		Parts: memory.Parts{{Purpose: memory.PurposeWeights, Bytes: 2 << 20}, {Purpose: memory.PurposeKV, Bytes: 3 << 20}}}
	object, err := json.Marshal(memoryJSON(refused))
	if want := `"parts":[{"purpose":"weights","bytes":2097152},{"purpose":"kv","bytes":3145728}]`; err != nil || !strings.Contains(string(object), want) {
		t.Errorf("%s, %v", object, err)
	}
	write := func(ctx context.Context, err error) (jsonError, int) {
		var b strings.Builder
		code := report(ctx, err, &b, true)
		return readError(t, b.String()), code
	}
	e, code := write(context.Background(), &runtime.LoadError{Path: "x.gguf", Err: refused})
	if code != exitMemory || e.Kind != "memory" || e.Memory == nil || e.Memory.Requested != 5<<20 || e.Memory.Available != 3<<20 ||
		e.Memory.Limit != "control group" || e.Memory.Purpose != memory.PurposeKV.String() || !slices.Equal(e.Memory.Remedies, []string{"use a context of 512 tokens (--ctx-size 512)"}) ||
		!strings.HasSuffix(e.Message, "by the control group: use a context of 512 tokens (--ctx-size 512)") {
		t.Errorf("memory: exit code %d, %+v, %+v", code, e, e.Memory)
	}
	e, code = write(context.Background(), &runtime.FallbackError{Rungs: []runtime.Rung{{Path: "a", Err: refused}, {Path: "b", Err: errors.New("no")}}})
	if code != exitMemory || len(e.Tried) != 2 || e.Tried[0].Memory == nil || e.Tried[1].Memory != nil || e.Tried[1].Path != "b" {
		t.Errorf("fallbacks: exit code %d, %+v", code, e)
	}
	budget := &memory.Error{Purpose: memory.PurposeWeights, Requested: 2, Available: 1, Limit: probe.LimitBudget, Remedies: []memory.Remedy{{Kind: memory.RemedyBudget}}}
	e, _ = write(context.Background(), &runtime.LoadError{Path: "x.gguf", Mode: runtime.LoadMMap, Err: budget, Tried: []*runtime.LoadError{{Mode: runtime.LoadCopy, Err: refused}}})
	if _, tried, _ := strings.Cut(e.Message, "use a larger budget (--max-memory); before that copy: "); !strings.HasSuffix(tried, "(--ctx-size 512)") {
		t.Errorf("two modes: %s", e.Message)
	}
	for _, a := range []struct {
		runtime.Adjustment
		want string
	}{
		{runtime.Adjustment{Kind: runtime.AdjustedModel, What: "passed over", Err: &runtime.LoadError{Path: "x.gguf", Err: refused}}, "passed over x.gguf: " + refused.Text(flagOf)},
		{runtime.Adjustment{Kind: runtime.AdjustedContext, What: "context lowered", Err: refused}, "context lowered: 5.0 MiB needed, 3.0 MiB left (control group)"},
	} {
		if got := adjustments([]runtime.Adjustment{a.Adjustment}); !slices.Equal(got, []string{a.want}) {
			t.Errorf("%q, want %q", got, a.want)
		}
	}
	e, _ = write(context.Background(), fmt.Errorf("x: %w", &runtime.ContextError{Tokens: 9, Context: 8}))
	if e.Kind != "context_full" || e.Context == nil || e.Context.Tokens != 9 || e.Context.Context != 8 {
		t.Errorf("context: %+v", e)
	}
	stopped, cancel := context.WithCancelCause(context.Background())
	cancel(&interrupted{fakeSignal{}})
	var none strings.Builder
	if code := report(stopped, shown{context.Canceled}, &none, true); code != exitInterrupted || none.String() != "" {
		t.Errorf("interrupted, and the output says so: exit code %d, %q", code, none.String())
	}
	if e, code = write(stopped, context.Canceled); code != exitInterrupted || e.Kind != "interrupted" || e.ExitCode != exitInterrupted {
		t.Errorf("interrupted: exit code %d, %+v", code, e)
	}
	if e, code = write(context.Background(), errors.New("two\nlines \x1b[31m")); code != exitFailure || e.Kind != "failure" || e.Message != "two\nlines \x1b[31m" {
		t.Errorf("any: exit code %d, %+v", code, e)
	}
}

func TestListsAndChecksAsJSON(t *testing.T) {
	for _, tt := range []struct {
		args   []string
		key    string
		engine bool
	}{
		{[]string{"quantize", "--list", "--json"}, "types", true},
		{[]string{"synthesize", "--list", "--json"}, "shapes", false},
		{[]string{"cache", "list", "--json", "--packed-cache", t.TempDir()}, "files", false},
		{[]string{"cache", "clear", "--json", "--packed-cache", t.TempDir()}, "freed_bytes", false},
		{[]string{"engine", "list", "--json"}, "places", false},
		{[]string{"check", "--json", tinyF16}, "architecture", true},
		{[]string{"check", "--json", "--quiet", tinyF16}, "tensors", true},
	} {
		t.Run(strings.Join(tt.args[:2], " "), func(t *testing.T) {
			if tt.engine {
				needEngine(t)
			}
			r := call(t, tt.args...)
			var object map[string]any
			if err := json.Unmarshal([]byte(r.out), &object); r.code != 0 || err != nil || object[tt.key] == nil || r.stderr != "" {
				t.Errorf("exit code %d, %v, stdout %q, stderr %q", r.code, err, r.out, r.stderr)
			}
		})
	}
}
