package kernel32

import "golang.org/x/sys/windows"

// DLL is kernel32.dll.
var DLL = windows.NewLazySystemDLL("kernel32.dll")
