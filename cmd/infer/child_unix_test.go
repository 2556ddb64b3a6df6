//go:build unix

package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestSignalsEndAGeneration(t *testing.T) {
	needEngine(t)
	for _, tt := range []struct {
		signal syscall.Signal
		code   int
		args   []string
	}{
		{syscall.SIGINT, 130, nil},
		{syscall.SIGINT, 130, []string{"--json"}},
		{syscall.SIGTERM, 143, nil},
		{syscall.SIGHUP, 129, nil},
	} {
		t.Run(tt.signal.String()+strings.Join(tt.args, ""), func(t *testing.T) {
			if tt.signal == syscall.SIGHUP && signal.Ignored(syscall.SIGHUP) {
				t.Skip("hang-ups are ignored here (nohup), and the program leaves it so")
			}
			cmd, stderr := program(t, endless(tt.args...)...)
			out, first := firstByte(t, cmd)
			if err := cmd.Process.Signal(tt.signal); err != nil {
				t.Fatal(err)
			}
			rest, err := io.ReadAll(out)
			if err != nil {
				t.Fatal(err)
			}
			cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != tt.code {
				t.Errorf("exit code %d, stderr %q", code, stderr)
			}
			if text := string(first) + string(rest); !strings.HasSuffix(text, "\n") || len(text) < 3 {
				t.Errorf("stdout %q", text)
			}
			if line := figuresOf(t, stderr.String()); !strings.Contains(line, "interrupted") {
				t.Errorf("%q", line)
			}
		})
	}
}

func TestSignalsEndTheWaitForAPrompt(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	cmd, stderr := program(t, "--echo")
	cmd.Stdin = r
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	// Writing more than a pipe holds returns when the program has begun to read.
	if _, err := w.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 || stderr.String() != "infer: interrupted\n" {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
}

func TestAFullDiskIsAnError(t *testing.T) {
	needEngine(t)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("there is no /dev/full:", err)
	}
	defer full.Close()
	for _, args := range [][]string{greedy("-p", "Once"), {"inspect", tinyF16}, {"tokenize", "x"}, {"version"}, {"--help"}} {
		cmd, stderr := program(t, args...)
		cmd.Stdout = full
		cmd.Run()
		if code := cmd.ProcessState.ExitCode(); code != exitFailure || withoutWarning(stderr.String()) != "infer: standard output: no space left on device\n" {
			t.Errorf("%v: exit code %d, stderr %q", args, code, stderr)
		}
	}
}

func TestAnInterruptedQuantisationLeavesNothing(t *testing.T) {
	needEngine(t)
	dir := t.TempDir()
	in := filepath.Join(dir, "in.gguf")
	if r := call(t, "synthesize", "-q", "--shape", "110m,layers=2", in); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	cmd, stderr := program(t, "quantize", in, filepath.Join(dir, "out.gguf"), "q4_k_m")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	// The temporary file is the sign that it has begun.
	for begun := false; !begun; {
		select {
		case <-ended:
			t.Fatalf("ended before it could be interrupted: %q", stderr)
		default:
			files, err := os.ReadDir(dir)
			begun = err != nil || len(files) > 1
		}
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	<-ended
	files, err := os.ReadDir(dir)
	if code := cmd.ProcessState.ExitCode(); code != 130 || stderr.String() != "infer: interrupted\n" || err != nil || len(files) != 1 {
		t.Errorf("exit code %d, stderr %q, files %v, %v", code, stderr, files, err)
	}
}

func TestWithoutCgo(t *testing.T) {
	gocmd, err := exec.LookPath("go")
	if err != nil {
		t.Skip("the go command is not in PATH")
	}
	bin := filepath.Join(t.TempDir(), "infer")
	build := exec.Command(gocmd, "build", "-o", bin, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	model := filepath.Join(t.TempDir(), "test.gguf")
	for _, tt := range []struct {
		args []string
		code int
	}{
		{[]string{"synthesize", "-q", "--shape", "test", model}, 0},
		{[]string{"inspect", tinyF16}, 0},
		{[]string{"probe"}, 0},
		{[]string{"version"}, 0},
		{[]string{"--help"}, 0},
		{[]string{"-p", "x", "-n", "1"}, exitFailure},
		{[]string{"tokenize", "x"}, exitFailure},
		{[]string{"bench", "pressure"}, exitFailure},
		{[]string{"quantize", tinyF16, filepath.Join(t.TempDir(), "x"), "q4_0"}, exitFailure},
		{[]string{"synthesize", "--shape", "test", "--type", "q4_0", filepath.Join(t.TempDir(), "x")}, exitFailure},
	} {
		var stderr bytes.Buffer
		cmd := exec.Command(bin, tt.args...)
		cmd.Stderr = &stderr
		cmd.Run()
		code := cmd.ProcessState.ExitCode()
		if code != tt.code || (code == 0) != (stderr.Len() == 0) {
			t.Errorf("%v: exit code %d, stderr %q", tt.args, code, stderr.String())
		}
		if code != 0 && (strings.Count(stderr.String(), "\n") != 1 || !strings.Contains(stderr.String(), "cgo")) {
			t.Errorf("%v: not one clear line: %q", tt.args, stderr.String())
		}
	}
}
