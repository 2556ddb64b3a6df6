package files

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openDirect opens an open file again, for direct reads: through its descriptor, as its path may lead
// to another file by now.
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
