//go:build unix

package models

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

func TestResolveSaysWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe.gguf")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	link(t, filepath.Join(dir, "nothing"), filepath.Join(dir, "dangling.gguf"))
	link(t, "loop.gguf", filepath.Join(dir, "loop.gguf"))
	for _, c := range []struct {
		name, path string
		is         error
		kind       string // of what is no file
	}{
		{"a pipe is not opened", pipe, nil, "a pipe"},
		{"a device is not opened", os.DevNull, nil, "a device"},
		{"a link to nothing is not there", filepath.Join(dir, "dangling.gguf"), fs.ErrNotExist, ""},
		{"a link to itself is an error of the system", filepath.Join(dir, "loop.gguf"), unix.ELOOP, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Resolve(c.path, ResolveOptions{})
			if err == nil {
				t.Fatalf("got %q", got)
			}
			if c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.kind) || !strings.Contains(err.Error(), c.path) {
				t.Errorf("%q, want %v or %q of %s", err, c.is, c.kind, c.path)
			}
		})
	}
}

func TestResolveErrorsDoNotSpeakToTheTerminal(t *testing.T) {
	dir := t.TempDir()
	tree(t, dir, "a\x1b[2J.gguf", "b\n.gguf", "\xff.gguf")
	_, err := Resolve(dir, ResolveOptions{})
	if err == nil || strings.ContainsAny(err.Error(), "\x1b\n") || !utf8.ValidString(err.Error()) || !strings.Contains(err.Error(), `a\x1b[2J.gguf"`) {
		t.Errorf("got %q", err)
	}
}

func TestResolveSaysWhatItMayNotSee(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may see everything")
	}
	closed := filepath.Join(t.TempDir(), "closed")
	tree(t, closed, "m.gguf")
	if err := os.Chmod(closed, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(closed, 0o700) })
	t.Chdir(t.TempDir())
	for _, c := range []struct {
		name, model string
		dirs        []string
	}{
		{"a path into a closed folder", filepath.Join(closed, "m.gguf"), nil},
		{"a closed folder", closed, nil},
		{"a closed folder among those to search", "m", []string{closed}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Resolve(c.model, ResolveOptions{Dirs: c.dirs})
			if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), unix.EACCES.Error()) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestResolveAFileCalledAsARepository(t *testing.T) {
	dir := t.TempDir()
	tree(t, dir, "org/repo:q4_0")
	t.Chdir(dir)
	if path, err := Resolve("org/repo:q4_0", ResolveOptions{}); err != nil || path != "org/repo:q4_0" {
		t.Errorf("%q, %v", path, err)
	}
}
