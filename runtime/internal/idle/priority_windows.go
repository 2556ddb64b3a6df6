package idle

import "golang.org/x/sys/windows"

var setThreadPriority = windows.NewLazySystemDLL("kernel32.dll").NewProc("SetThreadPriority")

// lowerPriority makes the system prefer all other threads to this one, for processors and
// disks: the background mode of SetThreadPriority, whose reads and writes are of very low
// priority. A system without it, or a thread that is in it, has the lowest of the others.
func lowerPriority() {
	const background, idle = 0x00010000, -15
	if r, _, _ := setThreadPriority.Call(uintptr(windows.CurrentThread()), background); r == 0 {
		lowest := idle
		_, _, _ = setThreadPriority.Call(uintptr(windows.CurrentThread()), uintptr(lowest))
	}
}
