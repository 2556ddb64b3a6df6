package files

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/windows"
)

// OpenRegular opens a file for reading. Other programs may rename it, and remove it unless it is
// mapped, as on other systems; os.Open would prevent that.
func OpenRegular(path string) (*os.File, error) {
	p, err := windows.UTF16PtrFromString(longPath(path))
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	h, err := windows.CreateFile(p, windows.GENERIC_READ, shareAll, nil, windows.OPEN_EXISTING, windows.FILE_ATTRIBUTE_NORMAL, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: inUse(err)}
	}
	return os.NewFile(uintptr(h), path), nil
}

const shareAll = windows.FILE_SHARE_READ | windows.FILE_SHARE_WRITE | windows.FILE_SHARE_DELETE

// longPath converts a path of more than 247 characters to a form that all versions of Windows accept:
// "Maximum Path Length Limitation".
func longPath(path string) string {
	const most = 247
	if len(path) <= most || strings.HasPrefix(path, `\\?\`) || strings.HasPrefix(path, `\\.\`) {
		return path
	}
	full, err := filepath.Abs(path)
	switch {
	case err != nil || strings.HasPrefix(full, `\\?\`):
		return path
	case strings.HasPrefix(full, `\\`):
		return `\\?\UNC\` + full[2:]
	}
	return `\\?\` + full
}

// inUse adds [ErrFileInUse] to an error about a file that others have open or mapped.
func inUse(err error) error {
	for _, e := range []error{windows.ERROR_SHARING_VIOLATION, windows.ERROR_LOCK_VIOLATION, windows.ERROR_USER_MAPPED_FILE} {
		if errors.Is(err, e) {
			return &fileInUse{err}
		}
	}
	return err
}

// fileInUse is a system error that wraps ErrFileInUse.
type fileInUse struct{ err error }

func (e *fileInUse) Error() string   { return ErrFileInUse.Error() }
func (e *fileInUse) Unwrap() []error { return []error{ErrFileInUse, e.err} }

// BlockedByUse is inUse for an error about removing or replacing a file: for a mapped file the system
// reports denied access, as it does for missing permission.
func BlockedByUse(err error, path string) error {
	if !errors.Is(err, windows.ERROR_ACCESS_DENIED) {
		return inUse(err)
	}
	p, e := windows.UTF16PtrFromString(longPath(path))
	if e != nil {
		return err
	}
	h, e := windows.CreateFile(p, windows.DELETE, shareAll, nil, windows.OPEN_EXISTING, windows.FILE_FLAG_OPEN_REPARSE_POINT, 0)
	if e != nil {
		if errors.Is(inUse(e), ErrFileInUse) {
			return &fileInUse{err}
		}
		return err
	}
	defer windows.CloseHandle(h)
	var info windows.ByHandleFileInformation
	if windows.GetFileInformationByHandle(h, &info) != nil || info.FileAttributes&(windows.FILE_ATTRIBUTE_READONLY|windows.FILE_ATTRIBUTE_DIRECTORY) != 0 {
		return err
	}
	return &fileInUse{err}
}

// TakeAway frees the name of a file before it is removed: an open file keeps its name until it is
// closed (DeleteFile marks it), and a mapped file can be renamed but not removed.
func TakeAway(path string) (now string, err error) {
	now = partialName(path)
	if err := os.Rename(path, now); err != nil {
		if rename := (*os.LinkError)(nil); errors.As(err, &rename) {
			err = &fs.PathError{Op: "remove", Path: path, Err: rename.Err}
		}
		return path, err
	}
	return now, nil
}

// CheckPath returns an error for a path with an alternate data stream: a part of a file, named after a
// colon, that folders and file sizes do not show ("File Streams").
func CheckPath(path string) error {
	rest := path[len(filepath.VolumeName(path)):]
	if i := strings.IndexByte(rest, ':'); i >= 0 && !strings.Contains(rest, "://") {
		return &fs.PathError{Op: "open", Path: path, Err: errors.New("the colon names a data stream within a file, not a file")}
	}
	return nil
}

// Temporary reports whether a read may be repeated unchanged; on Windows reads are not interrupted.
func Temporary(error) bool { return false }
