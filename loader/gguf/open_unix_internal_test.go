//go:build unix

package gguf

import (
	"path/filepath"
	"testing"

	"github.com/seed7adf6694/infer/internal/files"
	"golang.org/x/sys/unix"
)

func TestFileThatBecameAPipeDoesNotBlock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := files.OpenRegular(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := files.NewFile(f, path, Irregular); err == nil {
		t.Error("a pipe was taken for a file")
	}
}
