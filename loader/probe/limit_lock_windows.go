package probe

// LimitLock limits the memory that a process may lock: the minimum of its working set.
const LimitLock Limit = "working set quota"

const RaiseLocks = "allow the process a larger working set (SeIncreaseWorkingSetPrivilege)"

// BeyondLocks reports whether an error of VirtualLock is about that limit: all are.
func BeyondLocks(error) bool { return true }

// LocksLeft is unknown: what the system grants depends on other processes.
func LocksLeft() uint64 { return 0 }
