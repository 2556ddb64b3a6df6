//go:build cgo && (linux || windows) && amd64

package start_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// system is one that programs are built for and run on.
type system struct {
	name string
	exe  string   // what programs' names end in
	env  []string // of go build
	run  []string // what is written before a program's name
}

const cross = "x86_64-w64-mingw32-gcc-posix"

// systems are this one and, on Linux, Windows as wine does it: INFER_WINE runs a program.
func systems() []system {
	static := []string{"GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=1", "CGO_LDFLAGS=-static"}
	if runtime.GOOS == "windows" {
		return []system{{name: "windows", exe: ".exe", env: static}}
	}
	return []system{
		{name: "linux"},
		{name: "wine", exe: ".exe", env: append(static, "CC="+cross), run: strings.Fields(os.Getenv("INFER_WINE"))},
	}
}

// onEach runs a test on each system, with an empty folder.
func onEach(t *testing.T, test func(t *testing.T, s system, dir string)) {
	for _, s := range systems() {
		t.Run(s.name, func(t *testing.T) {
			if _, err := exec.LookPath("go"); err != nil {
				t.Skip("no go to build programs with:", err)
			}
			if s.name == "wine" {
				if _, err := exec.LookPath(cross); err != nil {
					t.Skip("no cross compiler (g++-mingw-w64-x86-64-posix):", err)
				}
				if len(s.run) == 0 {
					t.Skip("INFER_WINE does not say how wine runs a program: make test-windows does")
				}
			}
			test(t, s, t.TempDir())
		})
	}
}

// build compiles the program of testdata for an instruction set, given as a compiler's flag.
func (s system) build(t *testing.T, out, flag string) {
	t.Helper()
	cmd := exec.Command("go", "build", "-o", out, "./testdata/hello")
	cmd.Env = append(append(os.Environ(), "CGO_CFLAGS=-O1 "+flag), s.env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		if bytes.Contains(text, []byte("unrecognized command-line option")) || bytes.Contains(text, []byte("unknown argument")) {
			t.Skipf("the compiler does not know %s", flag)
		}
		t.Fatalf("%v\n%s", err, text)
	}
}

func (s system) command(name string, args ...string) *exec.Cmd {
	line := append(append([]string{}, s.run...), append([]string{name}, args...)...)
	return exec.Command(line[0], line[1:]...)
}

// result runs a command. Its output goes through files: processes that wine starts and leaves
// behind would hold pipes open.
func result(t *testing.T, cmd *exec.Cmd) (out, stderr string, code int) {
	t.Helper()
	dir := t.TempDir()
	create := func(name string) *os.File {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	o, e := create("stdout"), create("stderr")
	cmd.Stdout, cmd.Stderr = o, e
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	read := func(f *os.File) string {
		b, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	return read(o), read(e), cmd.ProcessState.ExitCode()
}

const noCPU = "-mavx5124fmaps" // of one Xeon Phi, which no longer is

// pair builds a program that this CPU can't run, beside the one that is run in its place.
func (s system) pair(t *testing.T, dir string) string {
	t.Helper()
	s.build(t, filepath.Join(dir, "hello"+s.exe), noCPU)
	s.build(t, filepath.Join(dir, "hello-v2"+s.exe), "-march=x86-64-v2")
	return filepath.Join(dir, "hello"+s.exe)
}

func TestAProgramForAnotherCPUSaysSo(t *testing.T) {
	onEach(t, func(t *testing.T, s system, dir string) {
		name := filepath.Join(dir, "hello"+s.exe)
		s.build(t, name, noCPU)
		out, stderr, code := result(t, s.command(name, "a"))
		if code != 1 || out != "" || strings.Count(stderr, "\n") != 1 || !strings.HasPrefix(stderr, "infer: compiled for") || !strings.Contains(stderr, " avx5124fmaps, which this CPU does not have: ") {
			t.Errorf("exit code %d, stdout %q, stderr %q", code, out, stderr)
		}
		s.build(t, name, "-march=x86-64-v2")
		if out, stderr, code = result(t, s.command(name)); code != 7 || out != "[]\n" || stderr != "" {
			t.Errorf("the build for less: exit code %d, stdout %q, stderr %q", code, out, stderr)
		}
	})
}

func TestTheBuildForLessIsRunInItsPlace(t *testing.T) {
	onEach(t, func(t *testing.T, s system, dir string) {
		cmd := s.command(s.pair(t, dir), "copy", "b c", `say "hi"`, `blank and \`, `\\"`, "", "ünï 语")
		const given = "line\nno end"
		input := filepath.Join(dir, "input")
		if err := os.WriteFile(input, []byte(given), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(input)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		cmd.Stdin = f
		out, stderr, code := result(t, cmd)
		want := `["copy" "b c" "say \"hi\"" "blank and \\" "\\\\\"" "" "ünï 语"]` + "\n" + given
		if code != 7 || out != want || stderr != "11 <nil>\n" {
			t.Errorf("exit code %d, stdout %q, want %q, stderr %q", code, out, want, stderr)
		}
	})
}

// The build for less is a process of its own on Windows.
func TestTheBuildForLessEndsWithTheOther(t *testing.T) {
	onEach(t, func(t *testing.T, s system, dir string) {
		cmd := s.command(s.pair(t, dir), "serve")
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		cmd.Stdout = w
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		w.Close()
		defer func() { _ = cmd.Wait() }()
		defer func() { _ = cmd.Process.Kill() }()
		lines := bufio.NewScanner(r)
		for i, what := range []string{"arguments", "an address"} {
			if !lines.Scan() {
				t.Fatalf("line %d: no %s: %v", i+1, what, lines.Err())
			}
		}
		c, err := net.Dial("tcp", lines.Text())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		b := []byte("x")
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, b); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		// While the program runs, the pipe has neither data nor an end.
		if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(b); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("it goes on alone: read %d bytes, %v", n, err)
		}
	})
}
