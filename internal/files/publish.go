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

// partialMark is in the name of every file that is not finished.
const partialMark = ".infer-partial-"

// longestName is how many bytes the name of a file may have; every system in use takes
// as many.
const longestName = 255

// Publish writes the file path so that nobody ever sees half of it: fill writes to a
// hidden file beside it, which is synced and renamed. Where that fails, the hidden file is
// removed, and what was called path before is untouched. A link is replaced, not followed.
// A new file has the permissions perm, less what the umask takes.
//
// The hidden file is locked while it is written. What a process that was killed has left
// in the folder is removed by the next Publish there: see [RemoveAbandoned].
//
// fill must not close the file; it may open its name, [os.File.Name], once more. An error
// about that name is returned as one about path. Publish is safe for concurrent use.
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
		if gone := os.Remove(f.Name()); !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
		return aboutTarget(err, f.Name(), path)
	}
	syncFolder(dir)
	return nil
}

func finishPartial(f *os.File, path string, fill func(*os.File) error) error {
	if err := fill(f); err != nil {
		return err
	}
	// Without the sync a power cut after the rename may leave the new name with old or no
	// content. It also brings out delayed write errors.
	if err := f.Sync(); err != nil {
		return err
	}
	if err := renameOpen(f, path); err != nil {
		return aboutUse(err, path)
	}
	_ = f.Close() // it is synced
	return nil
}

// aboutUse says of a file that can't be replaced that somebody uses it, where that is why.
func aboutUse(err error, path string) error {
	cause := err
	if rename := (*os.LinkError)(nil); errors.As(err, &rename) { // which names the hidden file
		cause = rename.Err
	}
	if busy := BlockedByUse(cause, path); errors.Is(busy, ErrFileInUse) {
		return &fs.PathError{Op: "replace", Path: path, Err: busy}
	}
	return err
}

// WriteFile is [Publish] for a path that a user gives: a link is followed, a file that is
// there keeps its permissions, and what is no regular file is not replaced.
func WriteFile(path string, fill func(*os.File) error) error {
	target, perm, err := writeTarget(path)
	if err != nil {
		return err
	}
	if perm == 0 {
		return Publish(target, 0o666, fill)
	}
	// The umask takes nothing of what was there, and one that was read-only is written too.
	return Publish(target, perm|0o600, func(f *os.File) error {
		if err := fill(f); err != nil {
			return err
		}
		return f.Chmod(perm)
	})
}

// writeTarget returns where a file called path is written, and the permissions of what is
// there, 0 for nothing.
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
		// Nothing there, or a link that leads nowhere: it is replaced.
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

// createPartial makes the hidden file for path and locks it. A file system without locks
// is no reason to fail: nobody can take the lock of such a file, so nobody removes it.
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
		// Between the two calls somebody may have taken it for abandoned.
		if busy := Lock(f); errors.Is(busy, ErrLocked) || !isAt(f, hidden) {
			_ = f.Close()
			_ = os.Remove(hidden)
			continue
		}
		return f, nil
	}
	return nil, fmt.Errorf("no free name for a temporary file in %s", words.QuotePath(filepath.Dir(path)))
}

// partialName makes up a name for what is not, or no longer, the file at a path.
func partialName(path string) string {
	dir, name := filepath.Split(path)
	if most := longestName - len(partialMark) - 17; len(name) > most {
		name = strings.ToValidUTF8(name[:most], "")
	}
	return filepath.Join(dir, fmt.Sprintf(".%s%s%016x", name, partialMark, rand.Uint64()))
}

// isAt tells whether a path is that of an open file.
func isAt(f *os.File, path string) bool {
	open, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(path)
	return err == nil && os.SameFile(open, there)
}

// RemoveAbandoned removes what processes that were killed while they wrote files have left
// in a folder: the hidden files of [Publish] that nobody has locked. It returns how many
// and of what size in bytes. What cannot be removed stays.
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

// ErrLocked is why a file cannot be locked that somebody else has.
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

// aboutTarget makes an error about the hidden file one about the file that the caller
// knows.
func aboutTarget(err error, hidden, path string) error {
	var of *fs.PathError
	if errors.As(err, &of) && of.Path == hidden {
		of.Path = path
	}
	var rename *os.LinkError
	if errors.As(err, &rename) && rename.Old == hidden {
		return &fs.PathError{Op: rename.Op, Path: path, Err: rename.Err}
	}
	if text := err.Error(); strings.Contains(text, hidden) { // who wrapped it wrote the name down
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
