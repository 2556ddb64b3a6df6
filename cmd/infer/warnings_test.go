package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/ggufcases"
)

// writeCase writes a case of a name.
func writeCase(t *testing.T, cases func(func(string, ggufcases.Case) bool), name string) string {
	t.Helper()
	for n, c := range cases {
		if n == name {
			path, err := c.Write(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			return path
		}
	}
	t.Fatalf("no case %q", name)
	return ""
}

func TestWhatIsWrongWithAModelIsSaidWithoutVerbosity(t *testing.T) {
	needEngine(t)
	path := writeCase(t, ggufcases.SpecialTokens(), "a padding token of -1")
	want := "infer: warning: " + path + `: key "tokenizer.ggml.padding_token_id" is -1, and the vocabulary has 320 tokens: the model has none of the kind, or the one of that name` + "\n"
	text := filepath.Join(t.TempDir(), "text.txt")
	if err := os.WriteFile(text, []byte(strings.Repeat("Hello ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"-m", path, "-p", "Hello", "-n", "3", "--ignore-eos", "-c", "64"},
		{"perplexity", "-m", path, "-f", text, "-c", "16", "--chunks", "1"},
		{"check", path}, {"plan", path, "-c", "64"}, {"tokenize", "-m", path, "Hello"},
	} {
		r := call(t, args...)
		if r.code != 0 || strings.Count(r.stderr, want) != 1 {
			t.Errorf("%q: exit code %d, stderr %q, want %q", args[0], r.code, r.stderr, want)
		}
	}
	if r := call(t, "inspect", path); !strings.Contains(r.out, "is -1, and the vocabulary has 320 tokens") {
		t.Errorf("inspect: %s", r.out)
	}
	for _, args := range [][]string{{"-m", path, "-q", "-p", "Hello", "-n", "3", "--ignore-eos", "-c", "64"}, {"check", "-q", path}} {
		if r := call(t, args...); r.code != 0 || strings.Contains(r.stderr, "warning") {
			t.Errorf("%q: exit code %d, stderr %q", args, r.code, r.stderr)
		}
	}
	var checked struct{ Warnings []string }
	if r := call(t, "check", "--json", path); r.code != 0 || json.Unmarshal([]byte(r.out), &checked) != nil || len(checked.Warnings) != 1 {
		t.Errorf("check --json: exit code %d, %s", r.code, r.out)
	}
}

func TestAStoppedDownloadIsNamed(t *testing.T) {
	needEngine(t)
	whole, err := os.ReadFile(tinyF16)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "stopped.gguf")
	clear(whole[len(whole)*2/3:])
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	want := "hold nothing but zeros where they were looked at: a download that was stopped leaves such a file"
	if r := call(t, "-m", path, "-p", "Once", "-n", "3", "-c", "64"); r.code != 0 || strings.Count(r.stderr, want) != 1 {
		t.Errorf("exit code %d, stderr %q", r.code, r.stderr)
	}
	if r := call(t, "check", path); r.code != exitFailure || !strings.Contains(r.stderr, "is all zero: and so are the ") || strings.Count(r.stderr, "\n") != 1 {
		t.Errorf("check: exit code %d, stderr %q", r.code, r.stderr)
	}
	r := call(t, "check", "--json", path)
	if e := readError(t, r.stderr); e.Kind != "bad_model" || e.File == nil || e.File.Value != "all zero" || e.File.Offset < int64(len(whole)/2) {
		t.Errorf("check --json: %+v", e)
	}
	if r := call(t, "-m", tinyF16, "-p", "Once", "-n", "3", "-c", "64"); strings.Contains(r.stderr, "warning") {
		t.Errorf("a whole model: %q", r.stderr)
	}
}
