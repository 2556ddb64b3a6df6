//go:build unix

package loader_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/internal/modeltest"
)

func TestSpecialFilesAreRefusedWithoutBlocking(t *testing.T) {
	folder, err := os.MkdirTemp("", "l") // short: the path of a socket is limited
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(folder)
	at := func(name string) string { return filepath.Join(folder, name) }
	if err := unix.Mkfifo(at("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", at("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for _, link := range []string{"fifo", "."} {
		if err := os.Symlink(link, at("to"+link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ name, path, want string }{
		{"a named pipe that nobody writes to", at("fifo"), "a named pipe"},
		{"a link to a named pipe", at("tofifo"), "a named pipe"},
		{"a socket", at("socket"), "a socket"},
		{"the null device", "/dev/null", "a device"},
		{"a device that never ends", "/dev/zero", "a device"},
		{"a link to a folder", at("to."), "a folder"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := loader.Open(tt.path)
			wantFormatError(t, err, "file", tt.want)
		})
	}
}

func TestAFileBehindALinkIsOpened(t *testing.T) {
	path := modeltest.Write(t, ggufcases.Small())
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if ix := modeltest.Open(t, link); ix.Path() != link {
		t.Errorf("path %q, want that of the link", ix.Path())
	}
}

func TestShardsBehindLinksAreOpened(t *testing.T) {
	folder := t.TempDir()
	for name, content := range ggufcases.SoundShards() {
		blob := filepath.Join(folder, "blob of "+name)
		if err := os.WriteFile(blob, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(folder, "names"), 0o700); err != nil {
			t.Fatal(err)
		}
		// As download caches keep them: names in one folder, contents in another.
		if err := os.Symlink(blob, filepath.Join(folder, "names", name)); err != nil {
			t.Fatal(err)
		}
	}
	modeltest.Open(t, filepath.Join(folder, "names", ggufcases.ShardName("m", 2, 3)))
}

func TestALinkOfAnyNameLeadsToItsShards(t *testing.T) {
	folder := t.TempDir()
	if _, err := (ggufcases.Case{Files: ggufcases.SoundShards()}).Write(folder); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "model.gguf")
	if err := os.Symlink(filepath.Join(folder, ggufcases.ShardName("m", 1, 3)), link); err != nil {
		t.Fatal(err)
	}
	if n := len(modeltest.Open(t, link).Files()); n != 3 {
		t.Errorf("%d files", n)
	}
}

func TestShardWithoutPermissionIsNamed(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	folder := t.TempDir()
	path, err := ggufcases.Case{Files: ggufcases.SoundShards(), Open: ggufcases.ShardName("m", 1, 3)}.Write(folder)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(folder, ggufcases.ShardName("m", 3, 3)), 0); err != nil {
		t.Fatal(err)
	}
	_, err = loader.Open(path)
	wantFormatError(t, err, "shard 3 of 3", "")
}
