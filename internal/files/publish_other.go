//go:build !unix

package files

import (
	"errors"
	"os"
	"time"
)

// leastAge is the minimum age of an abandoned hidden file: an open file cannot be renamed on this
// system, so a complete file is unlocked for a moment.
const leastAge = time.Minute

// mostBusy is how long to retry a rename while programs (another infer, a virus scanner) have the
// target open: an open file cannot be replaced on this system.
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

// syncFolder does nothing: folders cannot be synced on this system.
func syncFolder(string) {}
