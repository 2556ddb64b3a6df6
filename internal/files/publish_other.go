//go:build !unix

package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// leastAge is the minimum age of an abandoned hidden file: an open file cannot be renamed on this
// system, so a complete file is unlocked for a moment.
const leastAge = time.Minute

// mostBusy is how long to retry a rename or a removal while programs (another infer, a virus scanner)
// have the file open: an open file cannot be replaced on this system.
const mostBusy = time.Second

// renameOpen closes a file and renames it.
func renameOpen(f *os.File, path string) error {
	if err := f.Close(); err != nil {
		return err
	}
	return retry(func() error { return os.Rename(f.Name(), path) }, func(err error) bool {
		return errors.Is(aboutUse(err, path), ErrFileInUse)
	})
}

// removeHidden removes a hidden file. Another Publish may have it open for a moment, to see whether it
// is abandoned.
func removeHidden(path string) error {
	return retry(func() error { return os.Remove(path) }, func(err error) bool {
		return errors.Is(BlockedByUse(err, path), ErrFileInUse)
	})
}

// retry repeats a call that fails because a file is busy, until mostBusy has passed.
func retry(call func() error, busy func(error) bool) error {
	begin := time.Now()
	for wait := time.Millisecond; ; wait *= 2 {
		err := call()
		if err == nil || !busy(err) || time.Since(begin)+wait > mostBusy {
			return err
		}
		time.Sleep(wait)
	}
}

// removeOpen closes a file and removes it.
func removeOpen(f *os.File) error { return errors.Join(f.Close(), os.Remove(f.Name())) }

// syncFolder does nothing: folders cannot be synced on this system.
func syncFolder(string) {}

// RenameFolder renames a folder to a name that is free. Programs that have a file in it open for a
// moment prevent it; if they do for longer, the error wraps [ErrFileInUse].
func RenameFolder(from, to string) error {
	refused := func(err error) bool {
		return errors.Is(err, fs.ErrPermission) || errors.Is(BlockedByUse(err, from), ErrFileInUse)
	}
	err := retry(func() error { return os.Rename(from, to) }, refused)
	if err != nil && refused(err) {
		return &fs.PathError{Op: "rename", Path: from, Err: fmt.Errorf("%w, or not permitted: %w", ErrFileInUse, err)}
	}
	return err
}
