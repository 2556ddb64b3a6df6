package loader

import "math"

// Probe is what memory this process may have, now. Sizes are bytes; [Unlimited] stands
// for limits that do not exist or are not known here.
type Probe struct {
	RAMTotal     uint64
	RAMAvailable uint64 // without swapping, page cache that can be dropped included
	SwapTotal    uint64
	SwapFree     uint64
	// CommitLimit and CommitLeft are how much private memory the system promises in
	// all, and what is left of that.
	CommitLimit uint64
	CommitLeft  uint64
	// CgroupLimit and CgroupLeft are the smallest of the control groups that the
	// process is in, and what is left there, reclaimable page cache included. On
	// Windows, the job object's.
	CgroupLimit uint64
	CgroupLeft  uint64
	// AddressSpaceLimit and AddressSpaceLeft are RLIMIT_AS and what is left of it.
	AddressSpaceLimit uint64
	AddressSpaceLeft  uint64
	DataLeft          uint64 // of RLIMIT_DATA
	LargestHole       uint64 // of contiguous addresses
	MappingsLeft      uint64 // number of mappings that the process may still make
	PageSize          uint64

	// LargestFreeBlock is the largest single allocation that would be granted: the
	// least of the above, and LimitedBy names which that is.
	LargestFreeBlock uint64
	LimitedBy        string
}

// Unlimited stands for a limit that there is not.
const Unlimited = math.MaxUint64

// Names of limits, as in [Probe].LimitedBy and [MemoryError].Limit.
const (
	limitCommit   = "commit limit"
	limitRAM      = "available RAM"
	limitCgroup   = "control group"
	limitAddress  = "address space limit (RLIMIT_AS)"
	limitData     = "data limit (RLIMIT_DATA)"
	limitHole     = "largest hole in the address space"
	limitMappings = "number of mappings (vm.max_map_count)"
)

type limit struct {
	name string
	left uint64
}

// smallest returns the limit that binds; of equal ones the first.
func smallest(limits ...limit) limit {
	least := limit{left: Unlimited}
	for _, l := range limits {
		if l.left < least.left {
			least = l
		}
	}
	return least
}

// finish derives what the other figures say together.
func (p *Probe) finish() {
	l := smallest(
		limit{limitCommit, p.CommitLeft}, limit{limitCgroup, p.CgroupLeft}, limit{limitAddress, p.AddressSpaceLeft},
		limit{limitData, p.DataLeft}, limit{limitHole, p.LargestHole},
	)
	if p.MappingsLeft == 0 {
		l = limit{limitMappings, 0}
	}
	p.LargestFreeBlock, p.LimitedBy = l.left, l.name
}

// Available is how much private memory can be used in all, without being refused and
// without swapping or being killed for it later; limit names what bounds it.
func (p Probe) Available() (bytes uint64, limitedBy string) {
	l := smallest(
		limit{limitRAM, p.RAMAvailable}, limit{limitCgroup, p.CgroupLeft}, limit{limitCommit, p.CommitLeft},
		limit{limitAddress, p.AddressSpaceLeft}, limit{limitData, p.DataLeft},
	)
	return l.left, l.name
}

// remedies are what helps against the limit that binds.
func (p Probe) remedies() []string {
	switch p.LimitedBy {
	case limitCgroup:
		return []string{"raise the control group's memory limit", "use a smaller model or context"}
	case limitAddress:
		return []string{"raise the address space limit (ulimit -v)", "use a smaller model or context"}
	case limitData:
		return []string{"raise the data limit (ulimit -d)", "use a smaller model or context"}
	case limitHole:
		return []string{"use a smaller chunk size", "restart the process: its address space is fragmented"}
	case limitMappings:
		return []string{"use a larger chunk size", "raise vm.max_map_count"}
	}
	return commitRemedies
}
