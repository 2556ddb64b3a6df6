package files

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/seed7adf6694/infer/internal/words"
)

// partialMark is part of the name of every unfinished file.
const partialMark = ".infer-partial-"

// longestName is the maximum length of a file name in bytes, which every current system permits.
const longestName = 255

// Publish writes the file path so that no incomplete file is ever visible under that name: fill writes
// to a hidden file in the same folder, which is then synced and renamed. After an error the
// hidden file is removed and an existing file path is untouched. A symbolic link is replaced,
// not followed. A new file has the permissions perm, reduced by the umask.
//
// The hidden file is locked while it is written. The next Publish in the folder removes hidden files
// of killed processes: see [RemoveAbandoned].
//
// fill must not close the file; it may open its name, [os.File.Name], again. Errors about that name
// are returned as errors about path. Publish is safe for concurrent use.
func Publish(path string, perm fs.FileMode, fill func(*os.File) error) error {
	if err := CheckPath(path); err != nil {
		return err
	}
	dir := filepath.Dir(path)
	RemoveAbandoned(dir)
	f, err := createPartial(path, perm)
	if err != nil {
		return err
	}
	if err := finishPartial(f, path, fill); err != nil {
		// Windows removes no open file; a second Close is harmless.
		_ = f.Close()
		if gone := removeHidden(f.Name()); !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
		return aboutTarget(err, f.Name(), path)
	}
	return nil
}

func finishPartial(f *os.File, path string, fill func(*os.File) error) error {
	if err := fill(f); err != nil {
		return err
	}
	return Complete(f, path)
}

// aboutUse adds to an error, if it applies, that the file cannot be replaced because it is in use.
func aboutUse(err error, path string) error {
	cause := err
	if rename := (*os.LinkError)(nil); errors.As(err, &rename) { // the error names the hidden file
		cause = rename.Err
	}
	if busy := BlockedByUse(cause, path); errors.Is(busy, ErrFileInUse) {
		return &fs.PathError{Op: "replace", Path: path, Err: busy}
	}
	return err
}

// WriteFile is [Publish] for a path from a user: a symbolic link is followed, an existing file keeps
// its permissions, and anything but a regular file is not replaced.
func WriteFile(path string, fill func(*os.File) error) error {
	target, perm, err := writeTarget(path)
	if err != nil {
		return err
	}
	if perm == 0 {
		return Publish(target, 0o666, fill)
	}
	// Permissions of an existing file are not reduced by the umask; a read-only file is replaced.
	return Publish(target, perm|0o600, func(f *os.File) error {
		if err := fill(f); err != nil {
			return err
		}
		return f.Chmod(perm)
	})
}

var errNotWritten = errors.New("only tried")

// CheckWrite returns the error of a [WriteFile] that could not begin, for example for a folder that is
// missing or read-only. Nothing is written to path.
func CheckWrite(path string) error {
	err := WriteFile(path, func(*os.File) error { return errNotWritten })
	if errors.Is(err, errNotWritten) {
		return nil
	}
	return err
}

// writeTarget returns the path at which a file called path is written, and the permissions of an
// existing file; 0: there is none.
func writeTarget(path string) (target string, perm fs.FileMode, err error) {
	if path == "" {
		return "", 0, errors.New("the name of the file is empty")
	}
	if err := CheckPath(path); err != nil {
		return "", 0, err
	}
	if os.IsPathSeparator(path[len(path)-1]) {
		return "", 0, fmt.Errorf("%s is a folder, not a file", words.QuotePath(path))
	}
	target, err = filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		// No file, or a dangling link, which is replaced.
		return path, 0, nil
	}
	if err != nil {
		return "", 0, err
	}
	info, err := os.Stat(target)
	if err != nil {
		return "", 0, err
	}
	if mode := info.Mode(); !mode.IsRegular() {
		return "", 0, fmt.Errorf("%s is %s, not a file", words.QuotePath(path), FileKind(mode))
	}
	return target, info.Mode().Perm(), nil
}

// FileKind names what is not a regular file: "a folder", "a pipe".
func FileKind(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeNamedPipe != 0:
		return "a pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "something special"
}

// createPartial creates the hidden file for path and locks it. It is no error if the file system has no
// locks: then no process can lock the file, so none removes it.
func createPartial(path string, perm fs.FileMode) (*os.File, error) {
	for range 100 {
		hidden := partialName(path)
		f, err := os.OpenFile(hidden, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, aboutTarget(err, hidden, path)
		}
		// Between the two calls another process may have removed it as abandoned.
		if busy := Lock(f); errors.Is(busy, ErrLocked) || !isAt(f, hidden) {
			_ = f.Close()
			_ = removeHidden(hidden)
			continue
		}
		return f, nil
	}
	return nil, fmt.Errorf("no free name for a temporary file in %s", words.QuotePath(filepath.Dir(path)))
}

// partialName returns a new hidden name in the folder of path.
func partialName(path string) string {
	dir, name := filepath.Split(path)
	if most := longestName - len(partialMark) - 17; len(name) > most {
		name = strings.ToValidUTF8(name[:most], "")
	}
	return filepath.Join(dir, fmt.Sprintf(".%s%s%016x", name, partialMark, rand.Uint64()))
}

// isAt reports whether a path leads to an open file.
func isAt(f *os.File, path string) bool {
	open, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(path)
	return err == nil && os.SameFile(open, there)
}

// RemoveAbandoned removes the hidden files in a folder that killed processes have left: those of
// [Publish] that are not locked. It returns their number and total size in bytes. Files
// that cannot be removed are skipped.
func RemoveAbandoned(dir string) (files int, size uint64) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, 0
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") || !strings.Contains(e.Name(), partialMark) || !e.Type().IsRegular() {
			continue
		}
		if n, err := removeAbandoned(filepath.Join(dir, e.Name())); err == nil {
			files, size = files+1, size+n
		}
	}
	return files, size
}

// ErrLocked is returned by [Lock] for a file that is locked already.
var ErrLocked = errors.New("locked by another process")

var errInUse = errors.New("in use")

func removeAbandoned(path string) (size uint64, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if err := Lock(f); err != nil {
		return 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if !isAt(f, path) || time.Since(info.ModTime()) < leastAge {
		return 0, errInUse
	}
	return uint64(info.Size()), removeOpen(f)
}

// aboutTarget replaces the name of the hidden file in an error by that of the file.
func aboutTarget(err error, hidden, path string) error {
	var of *fs.PathError
	if errors.As(err, &of) && of.Path == hidden {
		of.Path = path
	}
	var rename *os.LinkError
	if errors.As(err, &rename) && rename.Old == hidden {
		return &fs.PathError{Op: rename.Op, Path: path, Err: rename.Err}
	}
	if text := err.Error(); strings.Contains(text, hidden) { // the name is part of a wrapping error's text
		return &renamedError{strings.ReplaceAll(text, hidden, path), err}
	}
	return err
}

type renamedError struct {
	text string
	err  error
}

func (e *renamedError) Error() string { return e.text }
func (e *renamedError) Unwrap() error { return e.err }

// Complete syncs an open file, gives it the name path, and closes it. A file of that name is
// replaced. On Windows it is not locked while it is renamed.
func Complete(f *os.File, path string) error {
	// Without the sync, a power failure after the rename may leave old or no content under the
	// new name. It also reports delayed write errors.
	if err := f.Sync(); err != nil {
		return err
	}
	if err := renameOpen(f, path); err != nil {
		return aboutUse(err, path)
	}
	_ = f.Close() // its content is synced
	syncFolder(filepath.Dir(path))
	return nil
}

// IsAt reports whether a path leads to an open file.
func IsAt(f *os.File, path string) bool { return isAt(f, path) }
