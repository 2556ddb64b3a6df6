package loader

import (
	"os"

	"golang.org/x/sys/windows"
)

var procReOpenFile = kernel32.NewProc("ReOpenFile")

const fileFlagNoBuffering = 0x20000000

// openDirect opens a file that is open once more, for reads past the system's cache.
func openDirect(f *os.File) (*os.File, error) {
	h, _, err := procReOpenFile.Call(f.Fd(), windows.GENERIC_READ, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE, fileFlagNoBuffering)
	if windows.Handle(h) == windows.InvalidHandle {
		return nil, os.NewSyscallError("ReOpenFile", err)
	}
	return os.NewFile(h, f.Name()), nil
}
