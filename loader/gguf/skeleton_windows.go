package gguf

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/seed7adf6694/infer/internal/words"
	"golang.org/x/sys/windows"
)

// makeSparse tells the file system to give a hole no space on disk. One that can't, such as
// FAT32 and exFAT, is no reason to fail while it has the space, which is given back with the
// file: see extend.
func makeSparse(f *os.File) error {
	var n uint32
	_ = windows.DeviceIoControl(windows.Handle(f.Fd()), windows.FSCTL_SET_SPARSE, nil, 0, nil, 0, &n, nil)
	return nil
}

// extend makes the file larger, without giving it space where it can be sparse.
func extend(f *os.File, size int64) error {
	err := f.Truncate(size)
	if err == nil {
		return nil
	}
	var info windows.ByHandleFileInformation
	known := windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &info) == nil
	return notExtended(err, f.Name(), size, known && info.FileAttributes&windows.FILE_ATTRIBUTE_SPARSE_FILE == 0)
}

// notExtended says why a file of that size can't be made.
func notExtended(err error, path string, size int64, whole bool) error {
	if !whole {
		return err
	}
	return fmt.Errorf("%w: the file system of %s has no sparse files, as FAT32 and exFAT have none, and would have to hold %s: let TMP name a folder on NTFS", err, words.QuotePath(filepath.Dir(path)), words.Size(uint64(size)))
}
