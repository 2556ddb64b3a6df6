package files

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openDirect opens a file that is open once more, for direct reads. Through the
// descriptor, as the name may be another file's by now.
func openDirect(f *os.File) (*os.File, error) {
	c, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var d *os.File
	e := c.Control(func(fd uintptr) {
		d, err = os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", fd), os.O_RDONLY|unix.O_DIRECT, 0)
	})
	if e != nil {
		return nil, e
	}
	return d, err
}
