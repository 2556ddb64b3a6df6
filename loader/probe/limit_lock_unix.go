//go:build unix

package probe

import (
	"errors"

	"golang.org/x/sys/unix"
)

// What limits the memory that a process locks.
const LimitLock Limit = "locked memory limit (RLIMIT_MEMLOCK)"

const RaiseLocks = "raise the locked memory limit (ulimit -l)"

// BeyondLocks tells whether an error of lock is about its limit. The other that there
// is says that the pages could not be had.
func BeyondLocks(err error) bool { return !errors.Is(err, unix.EAGAIN) }

// LocksLeft is what the process may still lock.
func LocksLeft() uint64 {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &r); err != nil {
		return 0
	}
	return r.Cur - min(r.Cur, lockedNow())
}
