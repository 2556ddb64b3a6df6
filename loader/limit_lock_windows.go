package loader

// What limits the memory that a process locks: no more than the least that its working
// set may have.
const LimitLock Limit = "working set quota"

const raiseLocks = "allow the process a larger working set (SeIncreaseWorkingSetPrivilege)"

// beyondLocks tells whether an error of lock is about its limit: all are.
func beyondLocks(error) bool { return true }

// locksLeft is not known: what the system grants depends on what others use.
func locksLeft() uint64 { return 0 }
