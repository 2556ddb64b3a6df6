package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTokenize(t *testing.T) {
	needEngine(t)
	ids := func(args ...string) string {
		r := call(t, append([]string{"tokenize", "-m", tinyF16, "--ids"}, args...)...)
		if r.code != 0 || r.stderr != "" {
			t.Fatalf("%v: exit code %d, stderr %q", args, r.code, r.stderr)
		}
		return r.out
	}
	once := ids("Once upon")
	if !strings.HasPrefix(once, "1 ") || strings.Count(once, "\n") != 1 {
		t.Errorf("%q", once)
	}
	file := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(file, []byte("Once upon"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		stdin string
		args  []string
		want  string
	}{
		{"arguments are joined by spaces", "", []string{"Once", "upon"}, once},
		{"a file", "", []string{"-f", file}, once},
		{"standard input", "Once upon", nil, once},
		{"standard input, as asked", "Once upon", []string{"-f", "-"}, once},
		{"a newline at the end belongs to the text", "Once upon\n", nil, ids("Once upon\n")},
		{"lines, the last without a newline", "Once upon\n\nOnce upon", []string{"--lines"}, once + ids("") + once},
		{"lines, the last with a newline", "Once upon\nOnce upon\n", []string{"--lines"}, once + once},
		{"a carriage return belongs to the line", "Once upon\r\n", []string{"--lines"}, ids("Once upon\r")},
		{"no lines at all", "", []string{"--lines"}, ""},
		{"nothing added", "", []string{"--no-special", "Once upon"}, strings.TrimPrefix(once, "1 ")},
		{"bytes that are no text", "\xff\x00\xfe", nil, "1 318 258 3 257\n"},
		{"a special token's name", "", []string{"--no-special", "</s>"}, "2\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := callWith(t, tt.stdin, append([]string{"tokenize", "-m", tinyF16, "--ids"}, tt.args...)...)
			if r.code != 0 || r.out != tt.want {
				t.Errorf("exit code %d, stdout %q, want %q, stderr %q", r.code, r.out, tt.want, r.stderr)
			}
		})
	}
	if plain := ids("--no-special", "--no-parse-special", "</s>"); plain == "2\n" || plain == "\n" {
		t.Errorf("a special token's name as text: %q", plain)
	}
}

func TestTokenizeShowsPieces(t *testing.T) {
	needEngine(t)
	r := call(t, "tokenize", "-m", tinyF16, "ab\xff")
	lines := strings.Split(strings.TrimSuffix(r.out, "\n"), "\n")
	if r.code != 0 || lines[0] != "1\t\"<s>\"" || lines[len(lines)-1] != `258`+"\t"+`"\xff"` {
		t.Errorf("exit code %d, stdout %q, stderr %q", r.code, r.out, r.stderr)
	}

	r = call(t, "tokenize", "-m", tinyF16, "--json", "ab\xff")
	var got struct {
		Tokens []struct {
			ID    int `json:"id"`
			Piece any `json:"piece"`
		} `json:"tokens"`
	}
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || len(got.Tokens) != len(lines) || got.Tokens[0].Piece != "<s>" {
		t.Fatalf("%v in %q", err, r.out)
	}
	if b, ok := got.Tokens[len(lines)-1].Piece.([]any); !ok || len(b) != 1 || b[0] != 255.0 {
		t.Errorf("the byte that is no text: %v", got.Tokens[len(lines)-1].Piece)
	}
}
