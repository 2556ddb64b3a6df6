//go:build !unix

package loader

import (
	"errors"
	"os"
	"time"
)

// leastAge is how old a hidden file is before it is taken for abandoned: an open file is
// not renamed here, and for a moment nobody holds what is complete.
const leastAge = time.Minute

// renameOpen closes a file and renames it.
func renameOpen(f *os.File, path string) error {
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// removeOpen closes a file and removes it.
func removeOpen(f *os.File) error { return errors.Join(f.Close(), os.Remove(f.Name())) }

// syncFolder does nothing: folders can't be synced here.
func syncFolder(string) {}
