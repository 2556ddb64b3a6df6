package models

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// temporaryMark is in the name of every file that publish has not finished.
const temporaryMark = ".infer-partial-"

// publish writes the file dir/name so that nobody ever sees half of it: fill
// writes to a temporary file in the same folder, which is synced and renamed.
// On any error (fill's, a full disk, a failed rename) the temporary file is
// gone again and what was called dir/name before is untouched.
func publish(dir, name string, perm fs.FileMode, fill func(io.Writer) error) (err error) {
	f, err := createTemporary(dir, name, perm)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			// Windows removes no open file; a second Close is harmless.
			_ = f.Close()
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err := fill(f); err != nil {
		return err
	}
	// Without the sync a power cut after the rename may leave the new name
	// with old or no content. It also brings out delayed write errors.
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), filepath.Join(dir, name)); err != nil {
		return err
	}
	syncFolder(dir)
	return nil
}

// createTemporary is os.CreateTemp with permissions that the umask applies to,
// as for a file that the user would have created directly.
func createTemporary(dir, name string, perm fs.FileMode) (*os.File, error) {
	for range 100 {
		path := filepath.Join(dir, fmt.Sprintf(".%s%s%016x", name, temporaryMark, rand.Uint64()))
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
	return nil, fmt.Errorf("no free name for a temporary file in %s", dir)
}
