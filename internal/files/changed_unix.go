//go:build unix

package files

import (
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// sizeAndTime asks for what a file that was written to has others of. It is asked for each
// token, and does not allocate as os.File.Stat does.
func sizeAndTime(f *os.File) (size int64, modified time.Time, err error) {
	defer runtime.KeepAlive(f)
	var st unix.Stat_t
	for {
		switch err := unix.Fstat(int(f.Fd()), &st); err {
		case nil:
			return st.Size, time.Unix(st.Mtim.Unix()), nil
		case unix.EINTR:
		default:
			return 0, time.Time{}, os.NewSyscallError("fstat", err)
		}
	}
}
