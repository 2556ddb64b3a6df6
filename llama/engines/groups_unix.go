//go:build unix

package engines

import (
	"bufio"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// Files with the groups and users of the system.
var groupFile, userFile = "/etc/group", "/etc/passwd"

// groupIsMine reports whether a group has no members but root and the user of this process, as the
// files of the system say; false for a group that they do not have.
func groupIsMine(gid uint32) bool {
	if gid == 0 {
		return true
	}
	if runtime.GOOS == "darwin" && gid == 80 { // admin: may become root
		return true
	}
	id, me := strconv.FormatUint(uint64(gid), 10), strconv.Itoa(os.Geteuid())
	trusted := map[string]bool{} // names of users
	others := false
	ok := eachRecord(userFile, 4, func(user []string) {
		mine := user[2] == "0" || user[2] == me
		trusted[user[0]] = mine
		others = others || user[3] == id && !mine
	})
	if !ok || others {
		return false
	}
	found := false
	ok = eachRecord(groupFile, 4, func(group []string) {
		if group[2] != id {
			return
		}
		found = true
		for _, name := range strings.Split(group[3], ",") {
			others = others || name != "" && !trusted[name]
		}
	})
	return ok && found && !others
}

// eachRecord calls f for each line of a file with fields between colons, at least so many; false if
// the file can't be read.
func eachRecord(path string, fields int, f func([]string)) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if record := strings.Split(lines.Text(), ":"); len(record) >= fields {
			f(record)
		}
	}
	return lines.Err() == nil
}
