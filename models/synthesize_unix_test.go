//go:build unix

package models

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSynthesizedFilesHaveThePermissionsOfOthers(t *testing.T) {
	o := SynthesizeOptions{Shape: shapeOf(t, "test")}
	path := filepath.Join(t.TempDir(), "m.gguf")
	for _, c := range []struct {
		name string
		mode os.FileMode // before
		want os.FileMode
	}{
		{"a new file has what the umask leaves", 0, 0o640},
		{"a file that is replaced keeps its own", 0o600, 0o600},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := unix.Umask(0o027)
			defer unix.Umask(before)
			if c.mode != 0 {
				if err := os.Chmod(path, c.mode); err != nil {
					t.Fatal(err)
				}
			}
			synthesize(t, path, o)
			if info, err := os.Stat(path); err != nil || info.Mode() != c.want {
				t.Errorf("got %v, %v, want %v", info.Mode(), err, c.want)
			}
		})
	}
}

func TestSynthesizeLeavesAloneWhatIsNoFile(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, want string }{{pipe, "is a pipe"}, {os.DevNull, "is a device"}} {
		err := Synthesize(t.Context(), c.path, SynthesizeOptions{Shape: shapeOf(t, "test")})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.path, err, c.want)
		}
	}
}
