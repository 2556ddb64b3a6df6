package memtest

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

func dropCache(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil {
		return &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	if magic := uint32(st.Type); magic == unix.TMPFS_MAGIC || magic == unix.RAMFS_MAGIC {
		return &Unsupported{Tool: "drop cache", Missing: path + " is in memory, not on a disk"}
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		return &os.PathError{Op: "fadvise", Path: path, Err: err}
	}
	return nil
}

// Cached returns how many bytes of the file are in the page cache, in whole pages.
func Cached(path string) (uint64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil || fi.Size() == 0 {
		return 0, err
	}
	b, err := unix.Mmap(int(f.Fd()), 0, int(fi.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return 0, &os.PathError{Op: "mmap", Path: path, Err: err}
	}
	n, err := Touched(b)
	if uerr := unix.Munmap(b); err == nil {
		err = uerr
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return n, nil
}

// SmallDisk mounts a file system of size bytes, rounded up to pages, on the existing folder dir:
// writing more there fails with "no space left on device". undo unmounts it and deletes its files.
// Without the right to mount, the error is an [*Unsupported]; [Limits].FileSize may be used instead.
func SmallDisk(dir string, size uint64) (undo func() error, err error) {
	return mount(dir, func() error {
		return unix.Mount("memtest", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size="+strconv.FormatUint(size, 10))
	})
}

// ReadOnlyDir makes the existing folder dir and everything in it read-only, also for root, by a mount:
// writes fail with "read-only file system". Users without the right to mount, except root, lose the
// write permission of the folder instead: writes fail with "permission denied". undo reverts it.
func ReadOnlyDir(dir string) (undo func() error, err error) {
	undo, err = mount(dir, func() error {
		if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
			return err
		}
		err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, "")
		if err != nil {
			err = errors.Join(err, unix.Unmount(dir, unix.MNT_DETACH))
		}
		return err
	})
	if err == nil || os.Geteuid() == 0 {
		return undo, err
	}
	fi, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, fi.Mode().Perm()&^0o222); err != nil {
		return nil, err
	}
	return func() error { return os.Chmod(dir, fi.Mode().Perm()) }, nil
}

func mount(dir string, f func() error) (undo func() error, err error) {
	if err := f(); err != nil {
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
			return nil, &Unsupported{Tool: "mount", Missing: "the right to mount (CAP_SYS_ADMIN)", Err: err}
		}
		return nil, fmt.Errorf("memtest: mounting on %s: %w", dir, err)
	}
	return func() error {
		// Detached, so that a child with open files does not prevent it.
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("memtest: unmounting %s: %w", dir, err)
		}
		return nil
	}, nil
}
