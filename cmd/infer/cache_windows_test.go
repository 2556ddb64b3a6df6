package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A packed file that another program keeps open does not keep the others.
func TestCacheClearGoesPastFilesInUse(t *testing.T) {
	dir := t.TempDir()
	held := filepath.Join(dir, "held.packed.gguf")
	for _, path := range []string{held, filepath.Join(dir, "z.packed.gguf")} {
		if err := os.WriteFile(path, make([]byte, 1000), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(held)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c := newCacheConfig()
	c.dir = dir
	var out, errs bytes.Buffer
	if err := c.clear(t.Context(), &streams{out: &out, err: &errs}, nil); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), dir+": removed 1 packed file, 1000 bytes\n") || !strings.Contains(errs.String(), "1 packed file in use by other programs, 1000 bytes: ") {
		t.Errorf("%s%s", out.String(), errs.String())
	}
	if _, err := os.Stat(held); err != nil {
		t.Error(err)
	}
}
