package files

import (
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/kernel32"
	"golang.org/x/sys/windows"
)

// directFlags are the flags of handles for direct reads: FILE_FLAG_NO_BUFFERING.
const directFlags = 0x20000000

// openDirect opens an open file again, for reads that bypass the system's cache. According to "File
// Buffering", their offsets, lengths and addresses must be multiples of the volume's sector
// size; sectors larger than DirectUnit are an error.
func openDirect(f *os.File) (*os.File, error) {
	sector, err := sectorSize(f)
	if err != nil {
		return nil, err
	}
	if sector == 0 || DirectUnit%sector != 0 {
		return nil, fmt.Errorf("sectors of %d bytes", sector)
	}
	return reopen(f, directFlags)
}

// storageInfo is FILE_STORAGE_INFO.
type storageInfo struct {
	logicalBytesPerSector, physicalForAtomicity, physicalForPerformance, effectiveForAtomicity uint32
	flags, byteOffsetForSectorAlignment, byteOffsetForPartitionAlignment                       uint32
}

var procDiskFreeSpace = kernel32.DLL.NewProc("GetDiskFreeSpaceW")

// sectorSize returns the sector size of a file's volume; 0: unknown.
func sectorSize(f *os.File) (uint32, error) {
	c, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	var info storageInfo
	known := false
	if err := c.Control(func(fd uintptr) {
		known = windows.GetFileInformationByHandleEx(windows.Handle(fd), windows.FileStorageInfo, (*byte)(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info))) == nil
	}); err != nil {
		return 0, err
	}
	if known && info.logicalBytesPerSector > 0 {
		return info.logicalBytesPerSector, nil
	}
	// For other file systems, and wine, ask by the volume's name.
	path, err := filepath.Abs(f.Name())
	if err != nil {
		return 0, err
	}
	p, err := windows.UTF16PtrFromString(longPath(path))
	if err != nil {
		return 0, err
	}
	root := make([]uint16, len(path)+windows.MAX_PATH)
	if err := windows.GetVolumePathName(p, &root[0], uint32(len(root))); err != nil {
		return 0, os.NewSyscallError("GetVolumePathName", err)
	}
	var perCluster, sector, free, total uint32
	r, _, err := procDiskFreeSpace.Call(uintptr(unsafe.Pointer(&root[0])), uintptr(unsafe.Pointer(&perCluster)), uintptr(unsafe.Pointer(&sector)), uintptr(unsafe.Pointer(&free)), uintptr(unsafe.Pointer(&total)))
	if r == 0 {
		return 0, os.NewSyscallError("GetDiskFreeSpace", err)
	}
	return sector, nil
}
