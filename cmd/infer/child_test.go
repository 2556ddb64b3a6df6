package main

import (
	"bytes"
	"context"
	"io"
	"os/exec"
	"testing"
	"time"

	"github.com/seed7adf6694/infer/internal/memtest"
)

// program is the real program, which is killed after five minutes.
func program(t *testing.T, args ...string) (cmd *exec.Cmd, stderr *bytes.Buffer) {
	t.Helper()
	bin := memtest.Infer(t) // building it is not part of them
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	cmd = exec.CommandContext(ctx, bin, args...)
	stderr = new(bytes.Buffer)
	cmd.Stderr = stderr
	return cmd, stderr
}

// endless are arguments that generate until something stops them.
func endless(args ...string) []string {
	return append([]string{"-m", tinyF16, "-p", "Once", "--ignore-eos", "--context-shift"}, args...)
}

// firstByte starts a command and waits for the beginning of its standard output.
func firstByte(t *testing.T, cmd *exec.Cmd) (out io.ReadCloser, first []byte) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	first = make([]byte, 1)
	if _, err := io.ReadFull(out, first); err != nil {
		t.Fatal(err)
	}
	return out, first
}

func TestAReaderThatLeavesEndsItQuietly(t *testing.T) {
	needEngine(t)
	for _, args := range [][]string{nil, {"--json"}} {
		cmd, stderr := program(t, endless(args...)...)
		out, _ := firstByte(t, cmd)
		out.Close()
		cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 0 || withoutWarning(stderr.String()) != "" {
			t.Errorf("%v: exit code %d, stderr %q", args, code, stderr)
		}
	}
	cmd, stderr := program(t, "inspect", "--full", tinyF16)
	out, _ := firstByte(t, cmd)
	out.Close()
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 0 || stderr.String() != "" {
		t.Errorf("inspect: exit code %d, stderr %q", code, stderr)
	}
}
