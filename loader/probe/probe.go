package probe

import (
	"encoding/json"
	"math"
	"math/bits"

	"github.com/seed7adf6694/infer/loader/internal/space"
)

// Probe is what memory this process may have, now. Sizes are in bytes; [Unlimited]
// stands for limits that there are not, or that this system does not tell.
type Probe struct {
	RAMTotal     uint64
	RAMAvailable uint64 // without swapping; page cache that can be dropped included
	SwapTotal    uint64
	SwapFree     uint64

	// Overcommit is Linux's vm.overcommit_memory: 0 refuses single allocations of more
	// than all RAM and swap, 1 refuses none, 2 refuses what exceeds CommitLimit. -1 on
	// other systems.
	Overcommit int
	// CommitLimit is how much private memory the system promises in all, where it
	// counts, and CommitLeft what it would promise in one piece now.
	CommitLimit uint64
	CommitLeft  uint64
	// CommitPossible is what CommitLimit can become, and CommitPossibleLeft what CommitLeft
	// would be then: Windows makes page files larger before it refuses, as far as their
	// settings and their disks allow. That takes a while, so a large block is refused
	// sooner than many small ones; and page files stay large until the next start. Where
	// nothing grows these are CommitLimit and CommitLeft.
	CommitPossible     uint64
	CommitPossibleLeft uint64
	// PageFiles are the page files in use, on Windows.
	PageFiles []PageFile

	// CgroupLimit is the smallest memory limit of the control groups that the process
	// is in, ancestors included, and CgroupLeft the least that is left in one of them,
	// page cache that can be dropped included. On Windows, of the job object: what it
	// allows the process, or all of its processes together.
	CgroupLimit uint64
	CgroupLeft  uint64
	// CgroupOuter tells that there may be limits of others around that group, which the
	// system does not show: on Windows, of the jobs that a job is nested in.
	CgroupOuter bool

	AddressSpaceLimit uint64 // RLIMIT_AS
	AddressSpaceLeft  uint64
	DataLimit         uint64 // RLIMIT_DATA
	DataLeft          uint64
	// LockedLimit is how much the process may keep from being swapped out: on Linux and
	// macOS RLIMIT_MEMLOCK, on Windows the minimum working set. LockedLeft is what is
	// left of it; Unlimited for a process that the limit does not bind (on Linux one
	// with CAP_IPC_LOCK), and all of it where the system does not tell what is locked.
	LockedLimit   uint64
	LockedLeft    uint64
	MappingsLimit uint64 // number of mappings that a process may have
	MappingsLeft  uint64
	PageSize      uint64

	// LargestHole is the longest range of contiguous addresses that is free, Holes the
	// number of such ranges, and FreeAddresses what they are together. HoleSizes has
	// them by size, ascending, at most 64 entries; nil where the system does not tell.
	LargestHole   uint64
	Holes         uint64
	FreeAddresses uint64
	HoleSizes     []HoleClass

	// LargestFreeBlock is the largest single allocation that would be granted now: the
	// least of what the commit limit, the control groups, the process's limits and the
	// address space leave. LimitedBy names which of those it is. Being granted is not
	// the same as being there: see [Probe.Available].
	LargestFreeBlock uint64
	LimitedBy        Limit
	// PossibleBlock is the same once the commit limit has become what is possible, and
	// PossibleBy the limit that binds then.
	PossibleBlock uint64
	PossibleBy    Limit
	// Confirmed tells that LargestFreeBlock was asked for and granted: see
	// [Probe.Confirm]. Computed and ComputedBy are what the other figures say of it.
	Confirmed  bool
	Computed   uint64
	ComputedBy Limit
}

// PageFile is a file that Windows moves memory to. Sizes are in bytes.
type PageFile struct {
	Path    string `json:"path"`
	Size    uint64 `json:"size_bytes"`
	Used    uint64 `json:"used_bytes"`
	Most    uint64 `json:"most_bytes"` // that it can grow to; Size where it can't
	Managed bool   `json:"managed"`    // the system chooses its size
}

// HoleClass are the free ranges of addresses of a size: from AtLeast bytes, a power of
// two, to less than twice that.
type HoleClass struct {
	AtLeast uint64 `json:"at_least_bytes"`
	Count   uint64 `json:"count"`
	Bytes   uint64 `json:"total_bytes"`
}

// Unlimited stands for a limit that there is not.
const Unlimited = math.MaxUint64

// unlimited is a probe in which nothing is known.
func unlimited() Probe {
	return Probe{
		Overcommit: -1, CommitLimit: Unlimited, CommitLeft: Unlimited, CommitPossible: Unlimited, CommitPossibleLeft: Unlimited, CgroupLimit: Unlimited, CgroupLeft: Unlimited,
		AddressSpaceLimit: Unlimited, AddressSpaceLeft: Unlimited, DataLimit: Unlimited, DataLeft: Unlimited,
		LockedLimit: Unlimited, LockedLeft: Unlimited, MappingsLimit: Unlimited, MappingsLeft: Unlimited,
		LargestHole: Unlimited, Holes: Unlimited, FreeAddresses: Unlimited,
	}
}

// freeRanges counts the free ranges of an address space by size, so that what is kept
// of it does not grow with the number of mappings.
type freeRanges struct {
	classes [64]HoleClass
	largest uint64
}

func (h *freeRanges) add(size uint64) {
	if size == 0 {
		return
	}
	c := &h.classes[bits.Len64(size)-1]
	c.Count++
	c.Bytes += size
	h.largest = max(h.largest, size)
}

func (h *freeRanges) into(p *Probe) {
	p.LargestHole, p.Holes, p.FreeAddresses, p.HoleSizes = h.largest, 0, 0, []HoleClass{}
	for i, c := range h.classes {
		if c.Count == 0 {
			continue
		}
		c.AtLeast = 1 << i
		p.HoleSizes = append(p.HoleSizes, c)
		p.Holes += c.Count
		p.FreeAddresses += c.Bytes
	}
}

type LimitLeft struct {
	Limit Limit
	Left  uint64
}

// Smallest returns the limit that binds; of equal ones the first.
func Smallest(limits ...LimitLeft) LimitLeft {
	least := LimitLeft{Left: Unlimited}
	for _, l := range limits {
		if l.Left < least.Left {
			least = l
		}
	}
	return least
}

// finish derives what the other figures say together.
func (p *Probe) finish() {
	// The guards of a block take addresses too.
	guarded := func(n uint64) uint64 {
		if n == Unlimited {
			return n
		}
		return n - min(n, space.Guards())
	}
	block := func(commit LimitLeft) LimitLeft {
		if p.MappingsLeft < 3 { // a block with its guards is three
			return LimitLeft{LimitMappings, 0}
		}
		return Smallest(
			commit, LimitLeft{LimitGroup, p.CgroupLeft}, LimitLeft{LimitAddresses, guarded(p.AddressSpaceLeft)},
			LimitLeft{LimitData, p.DataLeft}, LimitLeft{LimitHole, guarded(p.LargestHole)},
		)
	}
	p.compute(block(LimitLeft{LimitCommit, p.CommitLeft}))
	possible := block(p.possible())
	p.PossibleBlock, p.PossibleBy = possible.Left, possible.Limit
}

// compute sets the largest free block that follows from the other figures.
func (p *Probe) compute(l LimitLeft) {
	p.LargestFreeBlock, p.LimitedBy = l.Left, l.Limit
	p.Computed, p.ComputedBy = l.Left, l.Limit
}

// Available is how much private memory can be used in all, without being refused and
// without swapping or being killed for it later; limit names what bounds it.
//
// It is what there is without page files that grow: see [Probe.Possible].
func (p Probe) Available() (bytes uint64, limitedBy Limit) {
	return p.available(LimitLeft{LimitCommit, p.CommitLeft})
}

// Possible is what Available would be once the commit limit has become what is possible.
func (p Probe) Possible() (bytes uint64, limitedBy Limit) { return p.available(p.possible()) }

// possible is the commit limit once page files have grown.
func (p Probe) possible() LimitLeft {
	if p.CommitPossibleLeft <= p.CommitLeft {
		return LimitLeft{LimitCommit, p.CommitLeft}
	}
	return LimitLeft{LimitGrown, p.CommitPossibleLeft}
}

// Fixed is the probe of a system whose page files do not grow any more, for what is not
// worth it: they stay large until the next start.
func (p Probe) Fixed() Probe {
	p.CommitPossible, p.CommitPossibleLeft = p.CommitLimit, p.CommitLeft
	p.PossibleBlock, p.PossibleBy = p.LargestFreeBlock, p.LimitedBy
	return p
}

func (p Probe) available(commit LimitLeft) (bytes uint64, limitedBy Limit) {
	l := Smallest(
		LimitLeft{LimitRAM, p.RAMAvailable}, LimitLeft{LimitGroup, p.CgroupLeft}, commit,
		LimitLeft{LimitAddresses, p.AddressSpaceLeft}, LimitLeft{LimitData, p.DataLeft},
	)
	return l.Left, l.Limit
}

// MarshalJSON writes the figures by name, null for what is unlimited or unknown.
func (p Probe) MarshalJSON() ([]byte, error) {
	known := func(n uint64) *uint64 {
		if n == Unlimited {
			return nil
		}
		return &n
	}
	overcommit := &p.Overcommit
	if p.Overcommit < 0 {
		overcommit = nil
	}
	usable, usableBy := p.Available()
	possible, possibleBy := p.Possible()
	return json.Marshal(struct {
		RAMTotal          *uint64    `json:"ram_total_bytes"`
		RAMAvailable      *uint64    `json:"ram_available_bytes"`
		SwapTotal         *uint64    `json:"swap_total_bytes"`
		SwapFree          *uint64    `json:"swap_free_bytes"`
		Overcommit        *int       `json:"overcommit_mode"`
		CommitLimit       *uint64    `json:"commit_limit_bytes"`
		CommitLeft        *uint64    `json:"commit_left_bytes"`
		CommitPossible    *uint64    `json:"commit_possible_bytes"`
		PossibleLeft      *uint64    `json:"commit_possible_left_bytes"`
		PageFiles         []PageFile `json:"page_files"`
		CgroupLimit       *uint64    `json:"cgroup_limit_bytes"`
		CgroupLeft        *uint64    `json:"cgroup_left_bytes"`
		CgroupOuter       bool       `json:"cgroup_outer_unknown"`
		AddressSpaceLimit *uint64    `json:"address_space_limit_bytes"`
		AddressSpaceLeft  *uint64    `json:"address_space_left_bytes"`
		DataLimit         *uint64    `json:"data_limit_bytes"`
		DataLeft          *uint64    `json:"data_left_bytes"`
		LockedLimit       *uint64    `json:"locked_limit_bytes"`
		LockedLeft        *uint64    `json:"locked_left_bytes"`
		MappingsLimit     *uint64    `json:"mappings_limit"`
		MappingsLeft      *uint64    `json:"mappings_left"`
		PageSize          uint64     `json:"page_size_bytes"`

		LargestHole   *uint64     `json:"largest_hole_bytes"`
		Holes         *uint64     `json:"holes"`
		FreeAddresses *uint64     `json:"free_addresses_bytes"`
		HoleSizes     []HoleClass `json:"hole_sizes"`

		Usable           *uint64 `json:"usable_bytes"`
		UsableLimitedBy  Limit   `json:"usable_limited_by"`
		Possible         *uint64 `json:"usable_possible_bytes"`
		PossibleBy       Limit   `json:"usable_possible_limited_by"`
		LargestFreeBlock *uint64 `json:"largest_free_block_bytes"`
		LimitedBy        Limit   `json:"limited_by"`
		Confirmed        bool    `json:"confirmed"`
		Computed         *uint64 `json:"computed_block_bytes"`
		ComputedBy       Limit   `json:"computed_limited_by"`
		PossibleBlock    *uint64 `json:"possible_block_bytes"`
		BlockBy          Limit   `json:"possible_block_limited_by"`
	}{
		known(p.RAMTotal), known(p.RAMAvailable), known(p.SwapTotal), known(p.SwapFree),
		overcommit, known(p.CommitLimit), known(p.CommitLeft), known(p.CommitPossible), known(p.CommitPossibleLeft), p.PageFiles,
		known(p.CgroupLimit), known(p.CgroupLeft), p.CgroupOuter,
		known(p.AddressSpaceLimit), known(p.AddressSpaceLeft), known(p.DataLimit), known(p.DataLeft),
		known(p.LockedLimit), known(p.LockedLeft), known(p.MappingsLimit), known(p.MappingsLeft), p.PageSize,
		known(p.LargestHole), known(p.Holes), known(p.FreeAddresses), p.HoleSizes,
		known(usable), usableBy, known(possible), possibleBy,
		known(p.LargestFreeBlock), p.LimitedBy, p.Confirmed, known(p.Computed), p.ComputedBy,
		known(p.PossibleBlock), p.PossibleBy,
	})
}
