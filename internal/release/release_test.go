package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// made makes a release of files that stand in for programs.
func made(t *testing.T) (dir string) {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is not in PATH")
	}
	dir = t.TempDir()
	programs := filepath.Join(dir, "programs")
	text := filepath.Join(dir, "text")
	for _, tg := range targets {
		if err := os.MkdirAll(filepath.Join(programs, tg.goos), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, p := range tg.programs {
			if err := os.WriteFile(filepath.Join(programs, tg.goos, p), bytes.Repeat([]byte(p), 1000), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(text, []byte("as is"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := release{root: "../..", programs: programs, out: dir, at: time.Unix(1e9, 0).UTC(), texts: []string{"windows/mingw/copyright=" + text}}
	if err := r.run(io.Discard); err != nil {
		t.Fatal(err)
	}
	return dir
}

// filesOf are names and modes in an archive.
func filesOf(t *testing.T, path string) map[string]os.FileMode {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]os.FileMode{}
	if strings.HasSuffix(path, ".zip") {
		z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range z.File {
			files[f.Name] = f.Mode()
		}
		return files
	}
	g, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(g); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		files[h.Name] = h.FileInfo().Mode()
	}
}

func TestAReleaseIsTheSameWhenMadeTwice(t *testing.T) {
	a, b := made(t), made(t)
	sums, err := os.ReadFile(filepath.Join(a, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tg := range targets {
		first, err := os.ReadFile(filepath.Join(a, tg.archive))
		if err != nil {
			t.Fatal(err)
		}
		if second, err := os.ReadFile(filepath.Join(b, tg.archive)); err != nil || !bytes.Equal(first, second) {
			t.Errorf("%s differs, %v", tg.archive, err)
		}
		if line := fmt.Sprintf("%x  %s\n", sha256.Sum256(first), tg.archive); !strings.Contains(string(sums), line) {
			t.Errorf("%q is not in %q", line, sums)
		}
	}
}

func TestAReleaseHasProgramsAndLicences(t *testing.T) {
	dir := made(t)
	notice, err := os.ReadFile("../../NOTICE")
	if err != nil {
		t.Fatal(err)
	}
	for _, tg := range targets {
		files := filesOf(t, filepath.Join(dir, tg.archive))
		top := "infer-" + tg.goos + "-amd64/"
		for _, p := range tg.programs {
			if files[top+p] != 0o755 {
				t.Errorf("%s: %s has mode %v", tg.archive, p, files[top+p])
			}
		}
		for _, name := range []string{"README.md", "LICENSE", "NOTICE", "licenses/go/LICENSE"} {
			if files[top+name] != 0o644 {
				t.Errorf("%s: %s has mode %v", tg.archive, name, files[top+name])
			}
		}
		if got := files[top+"licenses/mingw/copyright"] != 0; got != (tg.goos == "windows") {
			t.Errorf("%s: a text for Windows: %v", tg.archive, got)
		}
		for _, deep := range []string{"llama/llama.cpp/LICENSE", "ml/backend/ggml/ggml/LICENSE", "LICENSE-SIL", "licenses/ftl.txt"} {
			found := false
			for name := range files {
				found = found || strings.HasSuffix(name, "/"+deep)
			}
			if !found {
				t.Errorf("%s: %s is missing in %v", tg.archive, deep, files)
			}
		}
		modules, err := linkedModules(tg.goos, "../../cmd/infer")
		if err != nil || len(modules) < 10 {
			t.Fatalf("%d modules, %v", len(modules), err)
		}
		for _, m := range modules {
			if !strings.Contains(string(notice), m.path+" ") && !strings.Contains(string(notice), m.path+",") {
				t.Errorf("NOTICE does not name %s", m.path)
			}
		}
	}
}
