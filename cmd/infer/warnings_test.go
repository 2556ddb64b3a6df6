package main

import (
	"encoding/json"
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
	for _, args := range [][]string{
		{"-m", path, "-p", "Hello", "-n", "3", "--ignore-eos", "-c", "64"},
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
