package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSynthesize(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.gguf"), filepath.Join(dir, "b.gguf")
	r := call(t, "synthesize", "--shape", "test", "--seed", "1", a)
	if r.code != 0 || r.out != "" || !strings.HasPrefix(r.stderr, "infer: wrote "+a+": 1.44 M parameters as f16") {
		t.Fatalf("exit code %d, stdout %q, stderr %q", r.code, r.out, r.stderr)
	}
	if r := call(t, "inspect", a); r.code != 0 || !strings.Contains(r.out, "can be loaded") {
		t.Errorf("%+v", r)
	}
	first, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("the seed determines it", func(t *testing.T) {
		for seed, same := range map[string]bool{"1": true, "2": false} {
			if r := call(t, "synthesize", "-q", "--force", "--shape", "test,context=512", "-s", seed, b); r.code != 0 || r.stderr != "" {
				t.Fatalf("%+v", r)
			}
			if other, err := os.ReadFile(b); err != nil || bytes.Equal(first, other) != same {
				t.Errorf("seed %s: the same: %v, %v", seed, !same, err)
			}
		}
	})
	t.Run("a file that is there stays", func(t *testing.T) {
		if r := call(t, "synthesize", "--shape", "test", a); r.code != exitFailure || !strings.Contains(r.stderr, "--force") {
			t.Errorf("%+v", r)
		}
	})
	t.Run("an empty file is replaced", func(t *testing.T) {
		empty := filepath.Join(dir, "empty.gguf")
		if err := os.WriteFile(empty, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if r := call(t, "synthesize", "--shape", "test", empty); r.code != 0 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("a quantised one generates", func(t *testing.T) {
		needEngine(t)
		q := filepath.Join(dir, "q.gguf")
		if r := call(t, "synthesize", "--shape", "test", "--type", "q4_0", q); r.code != 0 {
			t.Fatalf("%+v", r)
		}
		if r := call(t, "-m", q, "-p", "x", "-n", "3", "--ignore-eos"); r.code != 0 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("a shape that makes no sense", func(t *testing.T) {
		r := call(t, "synthesize", "--shape", "test,heads=3", filepath.Join(dir, "c.gguf"))
		if r.code != exitUsage || !strings.HasPrefix(r.stderr, "infer: --shape: ") {
			t.Errorf("%+v", r)
		}
	})
	t.Run("an unknown type", func(t *testing.T) {
		r := call(t, "synthesize", "--shape", "test", "--type", "q4_9", filepath.Join(dir, "c.gguf"))
		if r.code == 0 || !strings.Contains(r.stderr, "q4_9") {
			t.Errorf("%+v", r)
		}
	})
	t.Run("the shapes with names", func(t *testing.T) {
		if r := call(t, "synthesize", "--list"); r.code != 0 || !strings.Contains(r.out, "1b ") || !strings.Contains(r.out, "layers=22,width=2048") {
			t.Errorf("%+v", r)
		}
	})
	left, err := os.ReadDir(dir)
	for _, e := range left {
		if strings.HasPrefix(e.Name(), ".") || err != nil {
			t.Errorf("left behind: %s %v", e.Name(), err)
		}
	}
}
