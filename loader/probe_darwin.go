package loader

import (
	"os"

	"golang.org/x/sys/unix"
)

var commitRemedies = []string{"close other programs", "use --load mmap: mappings of files are not charged"}

// Measure looks at the limits of this process. macOS grows its swap as it needs, and
// has neither a commit limit nor control groups. Without Mach calls, which need cgo,
// the free pages are what sysctl tells, and the address space cannot be walked.
func Measure() (Probe, error) {
	p := Probe{CommitLimit: Unlimited, CommitLeft: Unlimited, CgroupLimit: Unlimited, CgroupLeft: Unlimited, AddressSpaceLimit: Unlimited,
		AddressSpaceLeft: Unlimited, DataLeft: Unlimited, MappingsLeft: Unlimited, LargestHole: 1 << 47, PageSize: uint64(os.Getpagesize())}
	total, err := unix.SysctlUint64("hw.memsize")
	if err != nil {
		return p, os.NewSyscallError("sysctl hw.memsize", err)
	}
	p.RAMTotal, p.RAMAvailable = total, total
	var pages uint64
	known := false
	for _, name := range []string{"vm.page_free_count", "vm.page_purgeable_count", "vm.page_pageable_external_count"} {
		if n, err := unix.SysctlUint32(name); err == nil {
			pages += uint64(n)
			known = true
		}
	}
	if known {
		p.RAMAvailable = min(total, pages*p.PageSize)
	}
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_AS, &r) == nil && r.Cur < 1<<62 {
		p.AddressSpaceLimit, p.AddressSpaceLeft = r.Cur, r.Cur
	}
	p.finish()
	if p.LargestFreeBlock > total {
		p.LargestFreeBlock, p.LimitedBy = total, limitRAM
	}
	return p, nil
}
