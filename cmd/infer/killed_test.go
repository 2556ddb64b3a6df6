package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed7adf6694/infer/internal/memtest"
)

// killHalfway kills the program when it has begun to write to the folder, and returns what
// it left there. On a busy machine the program may have ended before, and runs again.
func killHalfway(t *testing.T, dir string, args ...string) []string {
	t.Helper()
	before := memtest.FileNames(t, dir)
	for range 20 {
		cmd, stderr := program(t, args...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { cmd.Wait(); close(ended) }()
		for wait := true; wait && len(memtest.FileNames(t, dir)) == len(before); {
			select {
			case <-ended:
				wait = false
			default:
			}
		}
		cmd.Process.Kill()
		<-ended
		left := memtest.FileNames(t, dir)
		if !cmd.ProcessState.Success() {
			if len(left) == len(before) {
				t.Fatalf("%v ended before it could be killed: %q", args, stderr)
			}
			return left
		}
		for _, name := range left {
			if !slices.Contains(before, name) {
				os.Remove(filepath.Join(dir, name))
			}
		}
	}
	t.Fatalf("%v always ended before it could be killed", args)
	return nil
}

func TestWhatAKilledProcessLeavesIsRemoved(t *testing.T) {
	needEngine(t)
	models := t.TempDir()
	f16, q4 := filepath.Join(models, "f16.gguf"), filepath.Join(models, "q4.gguf")
	for path, kind := range map[string]string{f16: "f16", q4: "q4_0"} {
		if r := call(t, "synthesize", "-q", "--shape", "110m,layers=2", "--type", kind, path); r.code != 0 {
			t.Fatalf("%+v", r)
		}
	}
	small := func(dir string) []string {
		return []string{"synthesize", "-q", "--shape", "test", filepath.Join(dir, "small.gguf")}
	}
	for _, c := range []struct {
		name   string
		killed func(dir string) []string
		next   func(dir string) []string
		left   []string // by the next
	}{
		{"synthesize", func(dir string) []string {
			return []string{"synthesize", "--shape", "1b", filepath.Join(dir, "big.gguf")}
		}, small, []string{"small.gguf"}},
		{"quantize", func(dir string) []string {
			return []string{"quantize", f16, filepath.Join(dir, "out.gguf"), "q4_k_m"}
		}, small, []string{"small.gguf"}},
		{"pack", func(dir string) []string {
			return []string{"pack", "-m", q4, "-o", filepath.Join(dir, "out.gguf")}
		}, func(dir string) []string {
			return []string{"quantize", "-q", tinyF16, filepath.Join(dir, "small.gguf"), "q4_0"}
		}, []string{"small.gguf"}},
		{"a cache is cleared", func(dir string) []string {
			return []string{"synthesize", "--shape", "1b", filepath.Join(dir, "big.gguf")}
		}, func(dir string) []string {
			return []string{"cache", "clear", "--packed-cache", dir}
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			left := killHalfway(t, dir, c.killed(dir)...)
			if len(left) != 1 || !strings.Contains(left[0], ".infer-partial-") {
				t.Fatalf("the killed process left %q", left)
			}
			old := time.Now().Add(-time.Hour) // some systems leave what is young
			if err := os.Chtimes(filepath.Join(dir, left[0]), old, old); err != nil {
				t.Fatal(err)
			}
			r := call(t, c.next(dir)...)
			if got := memtest.FileNames(t, dir); r.code != 0 || !slices.Equal(got, c.left) {
				t.Errorf("%q, %+v", got, r)
			}
			if c.left == nil && !strings.Contains(r.out, "1 unfinished file") {
				t.Errorf("%q", r.out)
			}
		})
	}
}
