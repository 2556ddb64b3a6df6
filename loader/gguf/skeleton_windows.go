package gguf

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/seed7adf6694/infer/internal/words"
	"golang.org/x/sys/windows"
)

// makeSparse makes the file sparse. A file system that does not support it, such as FAT32 and exFAT, is
// no error as long as it has the space, which is released with the file: see extend.
func makeSparse(f *os.File) error {
	var n uint32
	_ = windows.DeviceIoControl(windows.Handle(f.Fd()), windows.FSCTL_SET_SPARSE, nil, 0, nil, 0, &n, nil)
	return nil
}

// extend sets the size of the file, without allocating space if it is sparse.
func extend(f *os.File, size int64) error {
	err := f.Truncate(size)
	if err == nil {
		return nil
	}
	var info windows.ByHandleFileInformation
	known := windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &info) == nil
	return notExtended(err, f.Name(), size, known && info.FileAttributes&windows.FILE_ATTRIBUTE_SPARSE_FILE == 0)
}

// notExtended returns the error for a file that cannot have that size.
func notExtended(err error, path string, size int64, whole bool) error {
	if !whole {
		return err
	}
	return fmt.Errorf("%w: the file system of %s has no sparse files (as FAT32 and exFAT), and %s of space would be needed: set TMP to a folder on NTFS", err, words.QuotePath(filepath.Dir(path)), words.Size(uint64(size)))
}
