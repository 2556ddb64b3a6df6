//go:build unix

package files

import "os"

// leastAge is how old a hidden file is before it is taken for abandoned.
const leastAge = 0

// renameOpen renames a file while it is open, and so locked until it has its name.
func renameOpen(f *os.File, path string) error { return os.Rename(f.Name(), path) }

// removeOpen removes a file while it is locked.
func removeOpen(f *os.File) error { return os.Remove(f.Name()) }

// syncFolder makes a rename in dir last. It is done as well as the file system allows:
// some refuse to sync a folder, and the file's content is safe anyway.
func syncFolder(dir string) {
	d, err := os.Open(dir)
	if err != nil {
		return
	}
	defer d.Close()
	_ = d.Sync()
}
