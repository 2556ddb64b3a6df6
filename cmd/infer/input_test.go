package main

import (
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"
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

// encoded are the ways in which a text comes that say what it is, and the text itself.
func encoded(text string) map[string]string {
	wide := func(order binary.AppendByteOrder, bytes int) string {
		var b []byte
		if bytes == 4 {
			for _, r := range "\ufeff" + text {
				b = order.AppendUint32(b, uint32(r))
			}
			return string(b)
		}
		for _, u := range utf16.Encode([]rune("\ufeff" + text)) {
			b = order.AppendUint16(b, u)
		}
		return string(b)
	}
	return map[string]string{
		"UTF-8":                text,
		"UTF-8 with a mark":    "\ufeff" + text,
		"UTF-16 little-endian": wide(binary.LittleEndian, 2), // what PowerShell 5.1 writes with >
		"UTF-16 big-endian":    wide(binary.BigEndian, 2),
		"UTF-32 little-endian": wide(binary.LittleEndian, 4),
		"UTF-32 big-endian":    wide(binary.BigEndian, 4),
	}
}

func TestAByteOrderMarkSaysWhatATextIs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "text")
	check := func(name, content, want string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, s := range []struct {
			from string
			in   io.Reader
		}{{path, nil}, {"-", strings.NewReader(content)}, {"-", iotest.OneByteReader(strings.NewReader(content))}} {
			got, err := (&streams{in: s.in}).readInput(t.Context(), s.from)
			if err != nil || got != want {
				t.Errorf("%s: %q, %v; want %q", name, got, err, want)
			}
		}
	}
	for _, text := range []string{"", "a", "Once upon a time\r\n", "Größe, 大きさ, \U0001f600\n", "a\ufeffb"} {
		for name, content := range encoded(text) {
			check(name, content, text)
		}
	}
	const mark, wide = "\ufeff", "\xff\xfe"
	check("without a mark nothing is guessed", "O\x00n\x00", "O\x00n\x00")
	check("invalid UTF-8 stays as it is", "a\xff\xfe", "a\xff\xfe")
	check("and behind a mark too", mark+"a\xff", "a\xff")
	check("half a mark", "\xef\xbb", "\xef\xbb")
	check("one byte", "\xff", "\xff")
	check("half a pair of UTF-16", wide+"\x3d\xd8a\x00", "\ufffda")
	check("an odd number of bytes", wide+"a\x00b", "a\ufffd")
}

func TestEveryTextFileIsDecoded(t *testing.T) {
	needEngine(t)
	const text, rules = "Once upon a time, 大\n", `root ::= " yes" | " no"`
	path := filepath.Join(t.TempDir(), "text")
	for _, c := range []struct {
		name, content string
		args          []string
	}{
		{"a prompt", text, greedy("-q", "--echo", "-n", "5", "-f", path)},
		{"a grammar", rules, greedy("-q", "-p", "Is it?", "--grammar-file", path)},
		{"texts to embed", text, []string{"embed", "-q", "-t", "1", "-f", path}},
		{"text to tokenize", text, []string{"tokenize", "-f", path}},
		{"text to foresee", strings.Repeat(text, 20), []string{"perplexity", "-q", "-t", "1", "-c", "32", "-f", path}},
	} {
		results := map[string]result{}
		for name, content := range encoded(c.content) {
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			results[name] = call(t, c.args...)
		}
		want := results["UTF-8"]
		if want.code != 0 || want.out == "" {
			t.Errorf("%s: %+v", c.name, want)
		}
		for name, r := range results {
			if r.code != want.code || r.out != want.out {
				t.Errorf("%s in %s: %+v, want %+v", c.name, name, r, want)
			}
		}
	}
}

func TestRecordsThatPowerShellWroteAreRead(t *testing.T) {
	const record = `{"experiment":"speed","machine":{},"case":"pp64"}` + "\n"
	path := filepath.Join(t.TempDir(), "records.jsonl")
	var want result
	for name, content := range encoded(record) {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		r := call(t, "bench", "show", path)
		if want == (result{}) {
			want = r
		}
		if r.code != 0 || r != want {
			t.Errorf("%s: %+v, want %+v", name, r, want)
		}
	}
}

// The program itself, whose arguments and standard input come through the system.
func TestTheProgramReadsTextOfEveryKind(t *testing.T) {
	needEngine(t)
	const text = "Größe, 大きさ"
	path := filepath.Join(t.TempDir(), "prompt "+"大.txt")
	var want string
	for name, content := range encoded(text) {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"tokenize"}, {"tokenize", "-f", path}, {"tokenize", text}} {
			cmd, stderr := program(t, args...)
			if len(args) == 1 {
				cmd.Stdin = strings.NewReader(content)
			}
			out, err := cmd.Output()
			if want == "" {
				want = string(out)
			}
			if err != nil || string(out) != want || want == "" {
				t.Errorf("%s, %q: %v, stdout %q, stderr %q; want %q", name, args, err, out, stderr, want)
			}
		}
	}
}
