//go:build unix && cgo

package main

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A limit that a small model is far below, for the experiment to be short.
func pressureArgs(out string, more ...string) []string {
	return append([]string{"bench", "pressure", tinyF16, "--budgets", "1G", "-n", "2", "-t", "1", "-c", "64", "--out", out}, more...)
}

func TestBenchPressure(t *testing.T) {
	needEngine(t)
	out := filepath.Join(t.TempDir(), "p.jsonl")
	cmd, stderr := program(t, pressureArgs(out, "-r", "1", "-o", "csv")...)
	table, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	const cases = 2 + 1 + 2
	if n := strings.Count(string(table), "\npressure,") + strings.Count(string(table), ",pressure,"); n != cases {
		t.Errorf("%d cases in\n%s", n, table)
	}
	if n := strings.Count(withoutWarning(stderr.String()), "\n"); n != cases {
		t.Errorf("%d lines of progress: %s", n, stderr)
	}
	rs, err := readResults(out)
	if err != nil || len(rs) != cases {
		t.Errorf("%d records, %v", len(rs), err)
	}
}

func TestBenchSpeed(t *testing.T) {
	needEngine(t)
	cmd, stderr := program(t, "bench", "speed", "-p", "8", "-n", "4", "-pg", "4,2", "-d", "0,4", "-t", "1", "-fa", "0,1", "-ub", "4", "--load", "mmap", "-r", "1", "-q", "-o", "md")
	table, err := cmd.Output()
	if err != nil || stderr.String() != "" {
		t.Fatalf("%v: %s", err, stderr)
	}
	if n := strings.Count(string(table), "| mmap "); n != 3*2*2 || !strings.Contains(string(table), "| pp4+tg2 @ d4 ") {
		t.Errorf("%d cases in\n%s", n, table)
	}
}

func TestAnInterruptedBenchShowsWhatItHas(t *testing.T) {
	needEngine(t)
	out := filepath.Join(t.TempDir(), "p.jsonl")
	cmd, _ := program(t, pressureArgs(out, "-r", "1000")...)
	cmd.Stderr = nil
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	cmd.Stdout = &table
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	said := bufio.NewReader(pipe)
	for line := ""; !strings.Contains(line, "2/5000 "); {
		if line, err = said.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(said)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 || !strings.HasSuffix(string(rest), "infer: interrupted\n") || !strings.Contains(table.String(), "ample") {
		t.Errorf("exit code %d, stderr %q, stdout %q", code, rest, table.String())
	}
	if rs, err := readResults(out); err != nil || len(rs) < 2 {
		t.Errorf("%d records, %v", len(rs), err)
	}
	if files, err := os.ReadDir(filepath.Dir(out)); err != nil || len(files) != 1 {
		t.Errorf("%v, %v", files, err)
	}
}
