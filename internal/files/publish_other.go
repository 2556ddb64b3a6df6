//go:build !unix

package files

import (
	"errors"
	"os"
	"time"
)

// leastAge is how old a hidden file is before it is taken for abandoned: an open file is
// not renamed here, and for a moment nobody holds what is complete.
const leastAge = time.Minute

// mostBusy is how long a rename waits for programs that look at the file that it replaces,
// another infer or a virus scanner: nobody can replace a file here that is open.
const mostBusy = time.Second

// renameOpen closes a file and renames it.
func renameOpen(f *os.File, path string) error {
	if err := f.Close(); err != nil {
		return err
	}
	begin := time.Now()
	for wait := time.Millisecond; ; wait *= 2 {
		err := os.Rename(f.Name(), path)
		if err == nil || !errors.Is(aboutUse(err, path), ErrFileInUse) || time.Since(begin)+wait > mostBusy {
			return err
		}
		time.Sleep(wait)
	}
}

// removeOpen closes a file and removes it.
func removeOpen(f *os.File) error { return errors.Join(f.Close(), os.Remove(f.Name())) }

// syncFolder does nothing: folders can't be synced here.
func syncFolder(string) {}
