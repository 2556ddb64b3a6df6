package idle

import "golang.org/x/sys/windows"

var setThreadPriority = windows.NewLazySystemDLL("kernel32.dll").NewProc("SetThreadPriority")

// lowerPriority gives the calling thread the lowest priority for processors and disks: the
// background mode of SetThreadPriority. If that fails, it sets the idle priority, which is for
// processors only.
func lowerPriority() {
	const background, idle = 0x00010000, -15
	if r, _, _ := setThreadPriority.Call(uintptr(windows.CurrentThread()), background); r == 0 {
		lowest := idle
		_, _, _ = setThreadPriority.Call(uintptr(windows.CurrentThread()), uintptr(lowest))
	}
}
