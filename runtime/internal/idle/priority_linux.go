package idle

import "golang.org/x/sys/unix"

// lowerPriority gives the calling thread the lowest priority for processors and disks. It can't
// be undone.
func lowerPriority() {
	const lowest, idleClass, classShift = 19, 3, 13
	_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), lowest)
	_, _, _ = unix.Syscall(unix.SYS_IOPRIO_SET, 1 /* a thread */, uintptr(unix.Gettid()), idleClass<<classShift)
}
