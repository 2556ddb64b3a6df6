package system

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ReadaheadOf finds the setting of the disk that holds a file. A file system that is on no block
// device, or on several, may have a setting of its own; one without is an error.
func ReadaheadOf(path string) (*Readahead, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return nil, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return readaheadIn("/sys", unix.Major(st.Dev), unix.Minor(st.Dev))
}

// readaheadIn looks in a tree like that of /sys. Partitions have no queue: their disk's is one
// folder up. Device-mapper devices have one of their own.
func readaheadIn(sys string, major, minor uint32) (*Readahead, error) {
	number := fmt.Sprintf("%d:%d", major, minor)
	if dir, err := filepath.EvalSymlinks(filepath.Join(sys, "dev/block", number)); err == nil {
		for _, dir := range []string{dir, filepath.Dir(dir)} {
			r := &Readahead{Disk: filepath.Base(dir), File: filepath.Join(dir, "queue/read_ahead_kb")}
			if _, err := r.Bytes(); err == nil {
				return r, nil
			}
		}
	}
	r := &Readahead{Disk: "device " + number, File: filepath.Join(sys, "class/bdi", number, "read_ahead_kb")}
	if _, err := r.Bytes(); err != nil {
		return nil, fmt.Errorf("the readahead of device %s is unknown: %w", number, err)
	}
	return r, nil
}

// Bytes returns the setting now.
func (r *Readahead) Bytes() (uint64, error) {
	b, err := os.ReadFile(r.File)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 53)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", r.File, err)
	}
	return n << 10, nil
}

func (r *Readahead) write(bytes uint64) error {
	f, err := os.OpenFile(r.File, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(f, bytes>>10); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
