package probe

import (
	"encoding/binary"
	"os"

	"github.com/seed7adf6694/infer/loader/internal/space"
	"golang.org/x/sys/unix"
)

const LimitGroup Limit = "control group"

// raiseCommit: macOS has no such limit of its own.
func RaiseCommit(string) string { return "" }

// Measure looks at the limits of this process. macOS grows its swap as it needs, and
// has neither a commit limit nor control groups. Without Mach calls, which need cgo,
// the free pages are what sysctl tells, and the address space can't be walked: its
// largest hole is unknown.
func Measure() (Probe, error) {
	p := unlimited()
	p.PageSize = uint64(os.Getpagesize())
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
	p.SwapTotal, p.SwapFree = swap()
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_AS, &r) == nil && r.Cur < space.MostAddresses {
		p.AddressSpaceLimit, p.AddressSpaceLeft = r.Cur, r.Cur // what is used of it is unknown
	}
	if unix.Getrlimit(unix.RLIMIT_MEMLOCK, &r) == nil && r.Cur < space.MostAddresses {
		p.LockedLimit, p.LockedLeft = r.Cur, r.Cur // here too
	}
	p.finish()
	if p.LargestFreeBlock > total+p.SwapFree {
		p.compute(LimitLeft{LimitRAM, total})
	}
	return p, nil
}

// asksForMore: macOS refuses next to nothing, so asking for more would end at sizes
// that mean nothing.
const asksForMore = false

// locksMappings tells whether new mappings are locked, which macOS has no call for.
func locksMappings(space.System) bool { return false }

// swap reads struct xsw_usage: total, available and used bytes first.
func swap() (total, free uint64) {
	b, err := unix.SysctlRaw("vm.swapusage")
	if err != nil || len(b) < 24 {
		return 0, 0
	}
	return binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
}
