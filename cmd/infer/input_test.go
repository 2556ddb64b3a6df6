package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAPromptIsNeitherLostNorReplaced(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	empty, newline := file("empty", ""), file("newline", "\r\n")
	for _, c := range []struct {
		name, stdin string
		args        []string
		want        string
	}{
		{"an empty standard input", "", nil, "standard input is empty"},
		{"an empty standard input with a model", "", []string{"-m", tinyF16}, "standard input is empty"},
		{"an empty standard input that is named", "", []string{"-f", "-"}, "standard input is empty"},
		{"a newline", "\n", nil, "standard input is empty"},
		{"an empty file", "text", []string{"-f", empty}, empty + " is empty"},
		{"a file of a newline", "text", []string{"-f", newline}, newline + " is empty"},
		{"two prompts", "", []string{"-p", "a", "-p", "b"}, `-p/--prompt "b": given twice`},
		{"the same prompt twice", "", []string{"-p", "a", "--prompt=a"}, "given twice"},
		{"an empty prompt and another", "", []string{"-p", "", "-p", "b"}, "given twice"},
		{"two files", "", []string{"-f", empty, "-f", newline}, "given twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := callWith(t, c.stdin, append(c.args, "-n", "1")...)
			if r.code != exitUsage || r.out != "" || !strings.Contains(r.stderr, c.want) {
				t.Errorf("%+v", r)
			}
		})
	}
}
