package files

import (
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/windows"
)

// sizeAndTime asks for what a file that was written to has others of. It is asked for each
// token, and does not allocate as os.File.Stat does.
func sizeAndTime(f *os.File) (size int64, modified time.Time, err error) {
	defer runtime.KeepAlive(f)
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &info); err != nil {
		return 0, time.Time{}, os.NewSyscallError("GetFileInformationByHandle", err)
	}
	return int64(info.FileSizeHigh)<<32 | int64(info.FileSizeLow), time.Unix(0, info.LastWriteTime.Nanoseconds()), nil
}
