//go:build unix

package engines

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// mostLinks is how many symbolic links a path may lead through.
const mostLinks = 40

// distrustPath looks at each part of a path, from the root, and of the paths that links lead to.
func distrustPath(path string) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	at, rest, links := "/", parts(abs), 0
	for {
		info, err := os.Lstat(at)
		if err != nil {
			return err
		}
		if reason := distrustPart(at, info, len(rest) == 0); reason != "" {
			return &TrustError{Path: path, At: at, Reason: reason}
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			if links++; links > mostLinks {
				return &fs.PathError{Op: "readlink", Path: path, Err: syscall.ELOOP}
			}
			to, err := os.Readlink(at)
			if err != nil {
				return err
			}
			at, rest = filepath.Dir(at), append(parts(to), rest...)
			if filepath.IsAbs(to) {
				at = "/"
			}
		} else if len(rest) == 0 {
			return nil
		}
		if len(rest) > 0 {
			at, rest = filepath.Join(at, rest[0]), rest[1:]
		}
	}
}

// parts splits a path.
func parts(path string) []string {
	list := strings.Split(path, "/")
	return slices.DeleteFunc(list, func(s string) bool { return s == "" || s == "." })
}

// distrustPart returns why others could replace a part of a path. In a folder with the sticky bit
// they cannot replace what is not theirs, but they can add files: the last part must be free of them.
func distrustPart(path string, info fs.FileInfo, last bool) string {
	if reason := distrustOwner(info); reason != "" {
		return reason
	}
	mode := info.Mode()
	if mode&fs.ModeSymlink != 0 || mode.IsDir() && mode&fs.ModeSticky != 0 && !last {
		return ""
	}
	return distrustMode(path, info)
}

// distrustOwner returns why the owner of a file could replace it.
func distrustOwner(info fs.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "its owner is unknown"
	}
	if me := os.Geteuid(); st.Uid != 0 && int64(st.Uid) != int64(me) {
		return fmt.Sprintf("it belongs to user %d, not to root or user %d", st.Uid, me)
	}
	return ""
}

// distrustMode returns who else may write to a file or folder.
func distrustMode(path string, info fs.FileInfo) string {
	perm := info.Mode().Perm()
	if perm&0o002 != 0 {
		return fmt.Sprintf("mode %04o lets every user write: chmod go-w %s", perm, path)
	}
	if perm&0o020 == 0 {
		return ""
	}
	// With an access list, the bits of the group are those of the list.
	if hasAccessList(path) {
		return "it has an access list that lets others write: setfacl -b " + path
	}
	gid := info.Sys().(*syscall.Stat_t).Gid
	if groupIsMine(gid) {
		return ""
	}
	return fmt.Sprintf("mode %04o lets group %d write: chmod g-w %s", perm, gid, path)
}
