package main

import (
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"testing"
)

// longFolder makes a folder in dir whose path has over 260 characters, the most that
// Windows takes in a path without a prefix ("Maximum path length limitation").
func longFolder(t *testing.T, dir string) string {
	t.Helper()
	for len(dir) < 300 {
		dir = filepath.Join(dir, strings.Repeat("folder ", 6)+"x")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Every command that reads or writes a file takes whatever the system takes for a path:
// what a person has on the desktop, in a language of their own.
func TestPathsOfEveryKind(t *testing.T) {
	needEngine(t)
	dir := t.TempDir()
	want := call(t, greedy("-q", "-p", "Once upon a time", "-n", "5")...)
	if want.code != 0 || want.out == "" {
		t.Fatalf("%+v", want)
	}
	folders := map[string]string{
		"spaces":          filepath.Join(dir, "my models (2)"),
		"Latin letters":   filepath.Join(dir, "Größe œuvre"),
		"Greek":           filepath.Join(dir, "μοντέλα"),
		"Cyrillic":        filepath.Join(dir, "модели"),
		"Han and kana":    filepath.Join(dir, "模型 モデル"),
		"Arabic":          filepath.Join(dir, "نماذج"),
		"beyond 16 bits":  filepath.Join(dir, "😀𝔪"),
		"long":            longFolder(t, dir),
		"long and Hangul": longFolder(t, filepath.Join(dir, "모델")),
	}
	if goruntime.GOOS == "windows" {
		folders["forward slashes"] = filepath.ToSlash(filepath.Join(dir, "a/b"))
		folders["both slashes"] = filepath.ToSlash(filepath.Join(dir, "c")) + `\d`
		folders[`\\?\`] = `\\?\` + filepath.Join(dir, "verbatim")
		folders[`\\?\ and long`] = `\\?\` + longFolder(t, filepath.Join(dir, "v"))
		folders[`\\.\`] = `\\.\` + filepath.Join(dir, "device")
		folders["a lower-case drive"] = strings.ToLower(dir[:1]) + dir[1:]
	}
	for name, folder := range folders {
		t.Run(name, func(t *testing.T) {
			if err := os.MkdirAll(folder, 0o700); err != nil {
				t.Fatal(err)
			}
			t.Setenv("INFER_PACKED_CACHE", folder+string(filepath.Separator)+"cache")
			in := func(file string) string { return folder + string(filepath.Separator) + file }
			run := func(args ...string) result {
				t.Helper()
				r := call(t, args...)
				if r.code != 0 {
					t.Fatalf("%q: exit code %d, stderr %q", args, r.code, r.stderr)
				}
				return r
			}
			data, err := os.ReadFile(tinyF16)
			if err != nil {
				t.Fatal(err)
			}
			for file, content := range map[string]string{"f16.gguf": string(data), "prompt.txt": "Once upon a time", "text.txt": strings.Repeat("Once upon a time ", 10), "rules.gbnf": `root ::= " yes" | " no"`} {
				if err := os.WriteFile(in(file), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for _, load := range []string{"mmap", "copy", "stock"} {
				r := run("-m", in("f16.gguf"), "-f", in("prompt.txt"), "-n", "5", "--temp", "0", "-t", "1", "-q", "--load", load)
				if r.out != want.out {
					t.Errorf("%s: %q, want %q", load, r.out, want.out)
				}
			}
			run("-m", in("f16.gguf"), "-p", "Is it?", "-n", "3", "-t", "1", "-q", "--grammar-file", in("rules.gbnf"))
			run("synthesize", "-q", "--shape", "test", "--type", "q4_0", in("made.gguf"))
			run("quantize", "-q", in("f16.gguf"), in("q4.gguf"), "q4_0")
			run("pack", "-q", "-m", in("q4.gguf"), "-o", in("packed.gguf"))
			run("-m", in("packed.gguf"), "-p", "Once", "-n", "3", "-t", "1", "-q")
			run("check", in("q4.gguf"))
			run("plan", in("q4.gguf"), "--svg", in("plan.svg"), "-c", "64")
			run("perplexity", "-q", "-m", in("q4.gguf"), "-t", "1", "-c", "16", "-f", in("text.txt"), "--kl-base", in("f16.gguf"))
			if r := run("inspect", in("f16.gguf")); !strings.Contains(r.out, "f16.gguf") {
				t.Errorf("%q", r.out)
			}
		})
	}
}
