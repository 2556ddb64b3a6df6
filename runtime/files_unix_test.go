//go:build unix

package runtime_test

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed7adf6694/infer/runtime"
)

func TestAFileHasThePermissionsThatTheUserGivesFiles(t *testing.T) {
	old := unix.Umask(0o022)
	defer unix.Umask(old)
	path := filepath.Join(t.TempDir(), "out")
	for _, c := range []struct {
		name   string
		umask  int
		before fs.FileMode // of the replaced file; 0: none
		want   fs.FileMode
	}{
		{"for everybody", 0o000, 0, 0o666},
		{"as usual", 0o022, 0, 0o644},
		{"for the owner alone", 0o077, 0, 0o600},
		{"for reading alone", 0o377, 0, 0o400},
		{"as the file that was there", 0o022, 0o640, 0o640},
		{"as one that could not be written", 0o077, 0o444, 0o444},
	} {
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if c.before != 0 {
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, c.before); err != nil {
				t.Fatal(err)
			}
		}
		unix.Umask(c.umask)
		err := runtime.WriteFile(path, func(w io.Writer) error {
			_, err := io.WriteString(w, "text")
			return err
		})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != c.want || info.Size() != 4 {
			t.Errorf("%s: %v, %d bytes, want %v", c.name, info.Mode().Perm(), info.Size(), c.want)
		}
	}
}
