package probe

import "github.com/seed7adf6694/infer/loader/internal/space"

// Operation is a kind of request to the system.
type Operation int

const (
	Reserving  Operation = iota // reserving addresses
	Committing                  // committing private memory
	Mapping                     // mapping a file range
)

// Blame returns the limit that refused a request: the one that the error names, or the smallest of
// those that apply to the operation and leave less than the request.
func (p Probe) Blame(op Operation, size uint64, named Limit) LimitLeft {
	apply := p.applying(op)
	for _, l := range apply {
		if l.Limit == named {
			return l
		}
	}
	// Changing part of a mapping splits it into up to three.
	if p.MappingsLeft < 3 {
		return LimitLeft{LimitMappings, 0}
	}
	if l := Smallest(apply...); l.Left < size {
		return l
	}
	return LimitLeft{Left: p.LargestFreeBlock}
}

// applying returns the limits that can refuse an operation, with what they leave.
func (p Probe) applying(op Operation) []LimitLeft {
	switch op {
	case Reserving:
		return []LimitLeft{{LimitAddresses, p.AddressSpaceLeft}, {LimitHole, p.LargestHole - min(p.LargestHole, space.Guards())}}
	case Committing:
		return []LimitLeft{{LimitCommit, p.CommitLeft}, {LimitData, p.DataLeft}, {LimitGroup, p.CgroupLeft}}
	}
	return []LimitLeft{{LimitCommit, p.CommitLeft}}
}
