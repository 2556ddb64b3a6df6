package memtest

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// ReplaceFile replaces path by a new file with the given content in one step, as an atomic writer
// does: processes that have the old file open keep it. To change a file that is in use, call
// os.Truncate or [Overwrite].
func ReplaceFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".memtest-")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// Symlink creates a symbolic link at path to the file or folder target. Without the right to create
// links, and under wine 8, which reports success and creates none, the error is an [*Unsupported].
func Symlink(target, path string) error {
	err := os.Symlink(target, path)
	if runtime.GOOS != "windows" {
		return err
	}
	if err != nil {
		return &Unsupported{Tool: "symlink", Missing: "the right to make symbolic links", Err: err}
	}
	if info, err := os.Lstat(path); err != nil || info.Mode()&os.ModeSymlink == 0 {
		return &Unsupported{Tool: "symlink", Missing: "wine makes no symbolic links"}
	}
	return nil
}

// Overwrite changes bytes of an existing file in place: processes that have it open or mapped see
// the change. Beyond its end the file grows.
func Overwrite(path string, offset int64, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(content, offset)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// DropCache writes path to its disk and drops its cached pages, so that the next reader has the time
// and the charge of reading them. It returns an error if pages stay because a process has them
// mapped, and an [*Unsupported] if the file system is in memory.
func DropCache(path string) error {
	if err := dropCache(path); err != nil {
		return err
	}
	left, err := Cached(path)
	if err == nil && left > 0 {
		err = fmt.Errorf("memtest: %d bytes of %s stay in the page cache: another process has them mapped or locked", left, path)
	}
	return err
}
