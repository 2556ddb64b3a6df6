package probe

// What limits the memory that a process locks: no more than the least that its working
// set may have.
const LimitLock Limit = "working set quota"

const RaiseLocks = "allow the process a larger working set (SeIncreaseWorkingSetPrivilege)"

// BeyondLocks tells whether an error of lock is about its limit: all are.
func BeyondLocks(error) bool { return true }

// LocksLeft is not known: what the system grants depends on what others use.
func LocksLeft() uint64 { return 0 }
