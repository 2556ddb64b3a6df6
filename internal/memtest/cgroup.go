package memtest

// Cgroup is a control group, or on Windows a job object, with a limit on memory or processor time,
// created by [NewCgroup] or [NewProcessorGroup]. Its methods are safe for concurrent use.
type Cgroup struct {
	Path    string // its folder, on Linux
	Version int    // 1 or 2, on Linux
	Limit   uint64 // memory limit in bytes, which the system rounds down to pages; 0: none

	Job uintptr // handle of the job object, on Windows
}

// CgroupUsage is the memory usage of a control group, in bytes and counts.
type CgroupUsage struct {
	Current  uint64 // charged now
	Peak     uint64 // highest charge so far; 0 if the kernel does not report it (version 2 before Linux 5.19)
	Anon     uint64 // private memory now
	File     uint64 // page cache now: mapped files and files that were read
	Swap     uint64 // swapped out now; swapping is forbidden where the kernel supports that
	Failures uint64 // how often the limit was reached; for page cache that is no failure
	OOMKills uint64 // processes killed
}
