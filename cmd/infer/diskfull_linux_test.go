//go:build cgo

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
)

// writers are the commands that write models, and what of the embedded one they read.
func writers(out string) [][]string {
	return [][]string{
		{"quantize", "-q", tinyF16, out, "q4_0"},
		{"quantize", "-q", tinyF16, out, "q8_0"},
		{"pack", "-q", "-m", tinyQ4, "-o", out},
		{"synthesize", "-q", "--shape", "110m", out},
	}
}

func TestAFullDiskIsNamedWithTheFile(t *testing.T) {
	needEngine(t)
	for _, size := range []uint64{4 << 10, 1 << 20, 2 << 20} {
		dir := t.TempDir()
		undo, err := memtest.SmallDisk(dir, size)
		memtest.Need(t, err)
		defer undo()
		out := filepath.Join(dir, "out.gguf")
		for _, args := range writers(out) {
			cmd := exec.Command(memtest.Infer(t), args...)
			r, err := memtest.Run(t.Context(), cmd, memtest.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if want := "write " + out + ": no space left on device\n"; r.Code != exitFailure || !strings.HasSuffix(string(r.Stderr), want) {
				t.Errorf("%d bytes, %v: %v", size, args, r)
			}
			if left := memtest.FileNames(t, dir); len(left) > 0 {
				t.Errorf("%d bytes, %v: left %q", size, args, left)
			}
		}
	}
}

func TestALimitOfFilesIsNamedWithTheFile(t *testing.T) {
	needEngine(t)
	dir := t.TempDir()
	out := filepath.Join(dir, "out.gguf")
	for _, args := range writers(out) {
		cmd := exec.Command(memtest.Infer(t), args...)
		cmd.Env = append(os.Environ(), "TMPDIR="+dir)
		r, err := memtest.Run(t.Context(), cmd, memtest.Limits{FileSize: 1 << 20})
		memtest.Need(t, err)
		if text := string(r.Stderr); r.Code != exitFailure || !strings.HasSuffix(text, ": file too large\n") || strings.Contains(text, "partial") {
			t.Errorf("%v: %v", args, r)
		}
		if left := memtest.FileNames(t, dir); len(left) > 0 {
			t.Errorf("%v: left %q", args, left)
		}
	}
}
