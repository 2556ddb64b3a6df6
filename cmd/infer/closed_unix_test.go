//go:build cgo && unix

package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/internal/memtest"
)

// shell runs the program from a shell, as "$@" of a script.
func shell(t *testing.T, script string, args ...string) memtest.Result {
	t.Helper()
	cmd := exec.Command("sh", append([]string{"-c", script, "sh", memtest.Infer(t)}, args...)...)
	r, err := memtest.Run(t.Context(), cmd, memtest.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAClosedOutputIsAnErrorWhereSomethingIsWritten(t *testing.T) {
	needEngine(t)
	const lost = "infer: standard output: it is closed\n"
	for _, args := range [][]string{{"-p", "Once", "-n", "3"}, {"-p", "Once", "-n", "3", "-q"}, {"version"}, {"--help"}, {"inspect", tinyF16}, {"tokenize", "x"}, {"probe"}, {"quantize", "--list"}} {
		if r := shell(t, `exec "$@" >&-`, args...); r.Code != exitFailure || string(r.Stderr) != lost {
			t.Errorf("%v: %v", args, r)
		}
	}
	small := filepath.Join(t.TempDir(), "small.gguf")
	if r := shell(t, `exec "$@" >&-`, "synthesize", "-q", "--shape", "test", small); r.Code != 0 || len(r.Stderr) > 0 {
		t.Errorf("a command that writes a file: %v", r)
	}
	// Output to /dev/null is no error.
	if r := shell(t, `exec "$@" <>/dev/null >&0`, "-p", "Once", "-n", "3", "-q"); r.Code != 0 || withoutWarning(string(r.Stderr)) != "" {
		t.Errorf("/dev/null: %v", r)
	}
}

func TestAClosedInputIsNoPrompt(t *testing.T) {
	needEngine(t)
	if r := shell(t, `exec "$@" <&-`, "-n", "3", "-q", "--echo"); r.Code != 0 || !strings.HasPrefix(string(r.Stdout), defaultPrompt) {
		t.Errorf("%v", r)
	}
	for _, args := range [][]string{{"-f", "-"}, {"tokenize"}} {
		if r := shell(t, `exec "$@" <&-`, args...); r.Code != exitFailure || string(r.Stderr) != "infer: reading standard input: it is closed\n" {
			t.Errorf("%v: %v", args, r)
		}
	}
}

func TestALimitOfOpenFilesIsNamed(t *testing.T) {
	const count = 40
	dir := t.TempDir()
	arch := ggufcases.Key("general.architecture", ggufcases.String, ggufcases.Text("llama"))
	for i := range count {
		s := ggufcases.Shard{No: uint16(i), Count: count, Total: 1}
		if i == 0 {
			s.Keys, s.Tensors = [][]byte{arch}, []string{"a"}
		}
		if err := memtest.ReplaceFile(filepath.Join(dir, ggufcases.ShardName("m", i+1, count)), s.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	r := shell(t, `ulimit -n 24; exec "$@"`, "inspect", filepath.Join(dir, ggufcases.ShardName("m", 1, count)))
	text := string(r.Stderr)
	if r.Code != exitMemory || strings.Count(text, "\n") != 1 || !strings.Contains(text, "RLIMIT_NOFILE") || !strings.Contains(text, " 24:") {
		t.Errorf("%v", r)
	}
}
