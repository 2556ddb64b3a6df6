package probe

import (
	"encoding/json"
	"math"
	"math/bits"

	"github.com/seed7adf6694/infer/loader/internal/space"
)

// Probe is how much memory this process may have now. Sizes are in bytes; [Unlimited] means that a
// limit does not exist or is unknown on this system.
type Probe struct {
	RAMTotal     uint64
	RAMAvailable uint64 // without swapping; includes page cache that can be evicted
	SwapTotal    uint64
	SwapFree     uint64

	// Overcommit is Linux's vm.overcommit_memory: 0 refuses an allocation larger than RAM and
	// swap together, 1 refuses none, 2 refuses what exceeds CommitLimit. -1 on other systems.
	Overcommit int
	// CommitLimit is the limit on private memory of all processes, if the system has one, and
	// CommitLeft the largest commit that it would grant now.
	CommitLimit uint64
	CommitLeft  uint64
	// CommitPossible is the value that CommitLimit can reach, and CommitPossibleLeft that of
	// CommitLeft then: Windows enlarges page files before it refuses, as far as their settings
	// and disks permit. That takes time, so a large block is refused earlier than many small
	// ones, and page files keep their size until the next start of the system. If nothing can
	// grow, these equal CommitLimit and CommitLeft.
	CommitPossible     uint64
	CommitPossibleLeft uint64
	// PageFiles are the page files in use; Windows only.
	PageFiles []PageFile

	// CgroupLimit is the smallest memory limit of the process's control groups and their
	// ancestors, and CgroupLeft the least that one of them leaves, including page cache that can
	// be evicted. On Windows both are the job object's, for the process or for all of its
	// processes together.
	CgroupLimit uint64
	CgroupLeft  uint64
	// CgroupOuter: there may be further limits that the system does not show: on Windows, of
	// the jobs that contain the process's job.
	CgroupOuter bool

	AddressSpaceLimit uint64 // RLIMIT_AS
	AddressSpaceLeft  uint64
	DataLimit         uint64 // RLIMIT_DATA
	DataLeft          uint64
	// LockedLimit is how much memory the process may lock: RLIMIT_MEMLOCK, on Windows the minimum
	// working set. LockedLeft is what remains of it; Unlimited if the limit does not apply (on
	// Linux with CAP_IPC_LOCK), and the whole limit if the system does not report what is
	// locked.
	LockedLimit   uint64
	LockedLeft    uint64
	MappingsLimit uint64 // maximum number of mappings of a process
	MappingsLeft  uint64
	PageSize      uint64

	// LargestHole is the longest free range of contiguous addresses, Holes the number of free
	// ranges, and FreeAddresses their sum. HoleSizes counts them by size, in ascending order, in
	// at most 64 entries; nil if the system does not report them.
	LargestHole   uint64
	Holes         uint64
	FreeAddresses uint64
	HoleSizes     []HoleClass

	// LargestFreeBlock is the largest single allocation that would be granted now: the minimum of
	// what the commit limit, the control groups, the process's limits and the address space
	// leave. LimitedBy is the limit with that minimum. A granted block need not be backed
	// by available memory: see [Probe.Available].
	LargestFreeBlock uint64
	LimitedBy        Limit
	// PossibleBlock is LargestFreeBlock with the commit limit at its possible value, and
	// PossibleBy the limit then.
	PossibleBlock uint64
	PossibleBy    Limit
	// Confirmed: LargestFreeBlock was tested, see [Probe.Confirm]. Computed and ComputedBy are
	// the values that follow from the other fields.
	Confirmed  bool
	Computed   uint64
	ComputedBy Limit
}

// PageFile is a page file of Windows. Sizes are in bytes.
type PageFile struct {
	Path    string `json:"path"`
	Size    uint64 `json:"size_bytes"`
	Used    uint64 `json:"used_bytes"`
	Most    uint64 `json:"most_bytes"` // to which it can grow; Size if it can't
	Managed bool   `json:"managed"`    // the system manages its size
}

// HoleClass counts the free address ranges of at least AtLeast bytes, a power of two, and less than
// twice that.
type HoleClass struct {
	AtLeast uint64 `json:"at_least_bytes"`
	Count   uint64 `json:"count"`
	Bytes   uint64 `json:"total_bytes"`
}

// Unlimited means that a limit does not exist or is unknown.
const Unlimited = math.MaxUint64

// unlimited returns a probe in which nothing is known.
func unlimited() Probe {
	return Probe{
		Overcommit: -1, CommitLimit: Unlimited, CommitLeft: Unlimited, CommitPossible: Unlimited, CommitPossibleLeft: Unlimited, CgroupLimit: Unlimited, CgroupLeft: Unlimited,
		AddressSpaceLimit: Unlimited, AddressSpaceLeft: Unlimited, DataLimit: Unlimited, DataLeft: Unlimited,
		LockedLimit: Unlimited, LockedLeft: Unlimited, MappingsLimit: Unlimited, MappingsLeft: Unlimited,
		LargestHole: Unlimited, Holes: Unlimited, FreeAddresses: Unlimited,
	}
}

// freeRanges counts the free ranges of an address space by size, so that its own size does not
// depend on the number of mappings.
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

// Smallest returns the limit that leaves least; the first of equal ones.
func Smallest(limits ...LimitLeft) LimitLeft {
	least := LimitLeft{Left: Unlimited}
	for _, l := range limits {
		if l.Left < least.Left {
			least = l
		}
	}
	return least
}

// finish computes the fields that follow from the others.
func (p *Probe) finish() {
	// The guard pages of a block take addresses too.
	guarded := func(n uint64) uint64 {
		if n == Unlimited {
			return n
		}
		return n - min(n, space.Guards())
	}
	block := func(commit LimitLeft) LimitLeft {
		if p.MappingsLeft < 3 { // a block with its guard pages takes three
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

// compute sets the largest free block from the other fields.
func (p *Probe) compute(l LimitLeft) {
	p.LargestFreeBlock, p.LimitedBy = l.Left, l.Limit
	p.Computed, p.ComputedBy = l.Left, l.Limit
}

// Available returns how much private memory can be used in total without being refused, swapped
// or killed later, and the limit that determines it.
//
// Growth of page files is not included: see [Probe.Possible].
func (p Probe) Available() (bytes uint64, limitedBy Limit) {
	return p.available(LimitLeft{LimitCommit, p.CommitLeft})
}

// Possible is Available with the commit limit at its possible value.
func (p Probe) Possible() (bytes uint64, limitedBy Limit) { return p.available(p.possible()) }

// possible returns the probe with page files at their possible size.
func (p Probe) possible() LimitLeft {
	if p.CommitPossibleLeft <= p.CommitLeft {
		return LimitLeft{LimitCommit, p.CommitLeft}
	}
	return LimitLeft{LimitGrown, p.CommitPossibleLeft}
}

// Fixed returns the probe without growth of page files, for purposes that do not justify it: they
// keep their size until the next start of the system.
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

// MarshalJSON writes the fields by name, null for unlimited or unknown ones.
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
