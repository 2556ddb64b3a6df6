//go:build unix

package loader

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestFileThatBecameAPipeDoesNotBlock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := openRegular(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := newOpenFile(f, path, irregular); err == nil {
		t.Error("a pipe was taken for a file")
	}
}
