package kernel32

import "golang.org/x/sys/windows"

// DLL is the library.
var DLL = windows.NewLazySystemDLL("kernel32.dll")
