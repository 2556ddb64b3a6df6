package memtest

// Cgroup is a control group, or on Windows a job object, with a limit of memory or of
// processors' time, made by [NewCgroup] or [NewProcessorGroup]. Its methods may be called
// from several goroutines.
type Cgroup struct {
	Path    string // folder in the file system, on Linux
	Version int    // 1 or 2, on Linux
	Limit   uint64 // of memory, in bytes, rounded down to pages by the system; 0: none

	Job uintptr // the handle of a job object, on Windows
}

// CgroupUsage is what a control group has used, in bytes and counts.
type CgroupUsage struct {
	Current  uint64 // charged now
	Peak     uint64 // most that was ever charged; 0 where the kernel does not tell (version 2 before Linux 5.19)
	Anon     uint64 // private memory now
	File     uint64 // page cache now, of mapped and read files
	Swap     uint64 // swapped out now; the group is not allowed any, where the kernel can forbid it
	Failures uint64 // how often the limit was hit, which for page cache is no failure
	OOMKills uint64 // processes killed
}
