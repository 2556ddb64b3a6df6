//go:build unix

package files

import (
	"os"
	"path/filepath"
)

// leastAge is the minimum age of an abandoned hidden file.
const leastAge = 0

// renameOpen renames a file while it is open, so that it stays locked.
func renameOpen(f *os.File, path string) error { return os.Rename(f.Name(), path) }

// removeHidden removes a hidden file.
func removeHidden(path string) error { return os.Remove(path) }

// removeOpen removes a file while it is locked.
func removeOpen(f *os.File) error { return os.Remove(f.Name()) }

// syncFolder makes a rename in dir durable, if the file system permits: some refuse to sync a folder;
// the file's content is safe in any case.
func syncFolder(dir string) {
	d, err := os.Open(dir)
	if err != nil {
		return
	}
	defer d.Close()
	_ = d.Sync()
}

// RenameFolder renames a folder to a name that is free.
func RenameFolder(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	syncFolder(filepath.Dir(to))
	return nil
}
