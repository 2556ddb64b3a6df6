package files

import (
	"os"

	"golang.org/x/sys/unix"
)

// openDirect opens an open file again, for reads that bypass the cache if it does not hold the data.
func openDirect(f *os.File) (*os.File, error) {
	d, err := os.Open(f.Name())
	if err != nil {
		return nil, err
	}
	a, err1 := f.Stat()
	b, err2 := d.Stat()
	if err1 != nil || err2 != nil || !os.SameFile(a, b) {
		d.Close()
		return nil, ErrFileChanged
	}
	c, err := d.SyscallConn()
	if err == nil {
		e := c.Control(func(fd uintptr) { _, err = unix.FcntlInt(fd, unix.F_NOCACHE, 1) })
		if e != nil {
			err = e
		}
	}
	if err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}
