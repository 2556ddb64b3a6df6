//go:build unix

package probe

import (
	"errors"

	"golang.org/x/sys/unix"
)

// LimitLock limits the memory that a process may lock.
const LimitLock Limit = "locked memory limit (RLIMIT_MEMLOCK)"

const RaiseLocks = "raise the locked memory limit (ulimit -l)"

// BeyondLocks reports whether an error of mlock is about that limit. The other possible error is
// that pages could not be allocated.
func BeyondLocks(err error) bool { return !errors.Is(err, unix.EAGAIN) }

// LocksLeft returns how many bytes the process may still lock.
func LocksLeft() uint64 {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &r); err != nil {
		return 0
	}
	return r.Cur - min(r.Cur, lockedNow())
}
