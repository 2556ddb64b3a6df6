//go:build unix

package models

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"
)

// tempVariable is the environment variable that moves os.TempDir.
const tempVariable = "TMPDIR"

// userSuffix makes folder names in a shared temporary folder distinct by user.
func userSuffix() string { return "-" + strconv.Itoa(os.Geteuid()) }

// checkPrivate returns an error for a folder that another user owns or may write to: in a temporary
// folder any user could have created it and could change its content.
func checkPrivate(dir string, info fs.FileInfo) error {
	if !info.IsDir() {
		return fmt.Errorf("%s is not a folder", dir)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("the owner of %s is unknown", dir)
	}
	if uid := os.Geteuid(); int64(st.Uid) != int64(uid) {
		return fmt.Errorf("%s belongs to user %d, not to user %d", dir, st.Uid, uid)
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return fmt.Errorf("%s has mode %04o, needs 0700: other users must not have access", dir, perm)
	}
	return nil
}
