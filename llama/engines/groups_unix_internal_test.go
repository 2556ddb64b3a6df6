//go:build unix

package engines

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestWhoseGroupItIs(t *testing.T) {
	oldGroups, oldUsers := groupFile, userFile
	t.Cleanup(func() { groupFile, userFile = oldGroups, oldUsers })
	dir := t.TempDir()
	groupFile, userFile = filepath.Join(dir, "group"), filepath.Join(dir, "passwd")
	users := fmt.Sprintf("root:x:0:0::/root:/bin/sh\nme:x:%d:10001::/:/bin/sh\nother:x:12345:10002::/:/bin/sh\n", os.Geteuid())
	groups := "root:x:0:\nme:x:10001:\nother:x:10002:\nstaff:x:10003:\nus:x:10004:me,root\nall:x:10005:me,other\ngone:x:10006:nobody-known\nbroken\n"
	for path, text := range map[string]string{groupFile: groups, userFile: users} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for gid, want := range map[uint32]bool{0: true, 10001: true, 10002: false, 10003: true, 10004: true, 10005: false, 10006: false, 10007: false} {
		if got := groupIsMine(gid); got != want {
			t.Errorf("group %d: %v", gid, got)
		}
	}
	userFile = filepath.Join(dir, "none")
	if groupIsMine(10001) {
		t.Error("trusted without a list of users")
	}
}
