//go:build cgo && linux && amd64

package start_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// build compiles the program of testdata for an instruction set, given as a compiler's flag.
func build(t *testing.T, out, flag string) {
	t.Helper()
	cmd := exec.Command("go", "build", "-o", out, "./testdata/hello")
	cmd.Env = append(os.Environ(), "CGO_CFLAGS=-O1 "+flag)
	if text, err := cmd.CombinedOutput(); err != nil {
		if bytes.Contains(text, []byte("unrecognized command-line option")) {
			t.Skipf("the compiler does not know %s", flag)
		}
		t.Fatalf("%v\n%s", err, text)
	}
}

func run(t *testing.T, name string, args ...string) (out, stderr string, code int) {
	t.Helper()
	cmd := exec.Command(name, args...)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return o.String(), e.String(), cmd.ProcessState.ExitCode()
}

func TestAProgramForAnotherCPUSaysSo(t *testing.T) {
	const only = "-mavx5124fmaps" // of one Xeon Phi, which no longer is
	dir := t.TempDir()
	name := filepath.Join(dir, "hello")
	build(t, name, only)
	out, stderr, code := run(t, name, "a")
	if code != 1 || out != "" || strings.Count(stderr, "\n") != 1 || !strings.HasPrefix(stderr, "infer: compiled for") || !strings.Contains(stderr, " avx5124fmaps, which this CPU does not have: ") {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, out, stderr)
	}
	build(t, name+"-v2", "-march=x86-64-v2")
	out, stderr, code = run(t, name, "a", "b c")
	if code != 7 || out != `["a" "b c"]`+"\n" || stderr != "" {
		t.Errorf("beside a build for less: exit code %d, stdout %q, stderr %q", code, out, stderr)
	}
	if os.Remove(name) != nil || os.Rename(name+"-v2", name) != nil {
		t.Fatal("renaming")
	}
	if out, stderr, code = run(t, name); code != 7 || stderr != "" {
		t.Errorf("the build for less: exit code %d, stdout %q, stderr %q", code, out, stderr)
	}
}

// The same on a CPU that is made up: QEMU's.
func TestACPUOfAnEarlierLevel(t *testing.T) {
	qemu, err := exec.LookPath("qemu-x86_64")
	if err != nil {
		t.Skip("QEMU's user mode is not installed (qemu-user):", err)
	}
	name := filepath.Join(t.TempDir(), "hello")
	for _, c := range []struct{ flag, cpu, lacking string }{
		{"-march=x86-64-v3", "Nehalem", " avx "},
		{"-march=x86-64-v3", "Haswell", ""},
		{"-march=x86-64-v2", "Nehalem", ""},
		{"-march=x86-64-v2", "core2duo", " sse4.2 "},
		{"-march=x86-64-v4", "Haswell", " avx512f "},
	} {
		build(t, name, c.flag)
		out, stderr, code := run(t, qemu, "-cpu", c.cpu, name)
		if c.lacking == "" && (code != 7 || !strings.HasPrefix(out, "[]")) || c.lacking != "" && (code != 1 || !strings.Contains(stderr, c.lacking)) {
			t.Errorf("%s on a %s: exit code %d, stdout %q, stderr %q", c.flag, c.cpu, code, out, stderr)
		}
	}
}
