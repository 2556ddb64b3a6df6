package files

import (
	"os"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// fileTimes is FILE_BASIC_INFO.
type fileTimes struct {
	created, accessed, written, changed windows.Filetime
	attributes, _                       uint32
}

// fileSizes is FILE_STANDARD_INFO.
type fileSizes struct {
	allocated, size int64
	links           uint32
	_               [4]byte // two booleans
}

// sizeAndTime returns size and modification time. It is called for each token and for each tensor
// of a load: GetFileInformationByHandle, and so os.File.Stat, would query the volume as well, which
// takes several times as long.
func sizeAndTime(f *os.File) (size int64, modified time.Time, err error) {
	defer runtime.KeepAlive(f)
	var info struct {
		times fileTimes
		sizes fileSizes
	}
	h := windows.Handle(f.Fd())
	err = windows.GetFileInformationByHandleEx(h, windows.FileBasicInfo, (*byte)(unsafe.Pointer(&info.times)), uint32(unsafe.Sizeof(info.times)))
	if err == nil {
		err = windows.GetFileInformationByHandleEx(h, windows.FileStandardInfo, (*byte)(unsafe.Pointer(&info.sizes)), uint32(unsafe.Sizeof(info.sizes)))
	}
	if err != nil {
		return 0, time.Time{}, os.NewSyscallError("GetFileInformationByHandleEx", err)
	}
	return info.sizes.size, time.Unix(0, info.times.written.Nanoseconds()), nil
}
