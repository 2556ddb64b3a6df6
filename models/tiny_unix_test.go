//go:build unix

package models

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheTemporaryFolderMustBePrivate(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, dir string)
		want  string // part of the error; empty for none
	}{
		{"it is not there yet", func(t *testing.T, dir string) {}, ""},
		{"it is the user's own", func(t *testing.T, dir string) { mkdir(t, dir, 0o700) }, ""},
		{"others may write to it", func(t *testing.T, dir string) { mkdir(t, dir, 0o777) }, "0777"},
		{"others may read it", func(t *testing.T, dir string) { mkdir(t, dir, 0o755) }, "0755"},
		{"it is a link", func(t *testing.T, dir string) { link(t, t.TempDir(), dir) }, "not a folder"},
		{"it is a file", func(t *testing.T, dir string) {
			if err := os.WriteFile(dir, nil, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "not a folder"},
		{"it belongs to another", func(t *testing.T, dir string) {
			mkdir(t, dir, 0o700)
			if err := os.Chown(dir, os.Geteuid()+1, -1); err != nil {
				t.Skipf("only root can give a folder away: %v", err)
			}
		}, "belongs to user"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := tinyFolder{dir: filepath.Join(t.TempDir(), "infer"), private: true}
			c.spoil(t, p.dir)
			path, err := p.extract()
			switch {
			case c.want == "" && err != nil:
				t.Fatal(err)
			case c.want == "":
				wantTiny(t, path)
			case err == nil:
				t.Fatalf("got %s", path)
			case !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), p.dir):
				t.Errorf("%q does not mention %q and %s", err, c.want, p.dir)
			}
		})
	}
}

func mkdir(t *testing.T, dir string, perm os.FileMode) {
	t.Helper()
	if err := os.Mkdir(dir, perm); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, perm); err != nil { // past the umask
		t.Fatal(err)
	}
}
