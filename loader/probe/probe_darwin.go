package probe

import (
	"encoding/binary"
	"os"

	"github.com/seed7adf6694/infer/loader/internal/space"
	"golang.org/x/sys/unix"
)

const LimitGroup Limit = "control group"

// RaiseCommit returns "": macOS has no commit limit of its own.
func RaiseCommit(string) string { return "" }

// Measure reads the limits of this process. macOS grows its swap as needed and has neither a commit
// limit nor control groups. Mach calls need cgo, so the free pages are those of sysctl, and the
// address space is not walked: its largest hole is unknown.
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
		p.LockedLimit, p.LockedLeft = r.Cur, r.Cur // as above
	}
	p.finish()
	if p.LargestFreeBlock > total+p.SwapFree {
		p.compute(LimitLeft{LimitRAM, total})
	}
	return p, nil
}

// asksForMore: macOS refuses almost nothing, so a search would end at meaningless sizes.
const asksForMore = false

// locksMappings: macOS has no call to lock new mappings.
func locksMappings(space.System) bool { return false }

// swap parses struct xsw_usage, which begins with total, available and used bytes.
func swap() (total, free uint64) {
	b, err := unix.SysctlRaw("vm.swapusage")
	if err != nil || len(b) < 24 {
		return 0, 0
	}
	return binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
}
