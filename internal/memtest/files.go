package memtest

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// ReplaceFile puts a new file with the given content in the place of path in one step,
// as an atomic writer does: who has the old one open keeps it. To change a file under
// its reader instead use os.Truncate or [Overwrite].
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

// Symlink makes a symbolic link at path to the file or folder target. Where the user may not,
// or wine 8 says that it did and makes none, the error is an [*Unsupported].
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

// Overwrite changes bytes of an existing file in place, so that who has it open or
// mapped sees them; beyond its end the file grows.
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

// DropCache writes path to its disk and drops its cached pages, so that the next
// reader pays for them, in time and in its control group. Pages that stay, because a
// process has them mapped or the file system is made of memory, are an error;
// the latter an [*Unsupported].
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
