package probe

import "github.com/seed7adf6694/infer/loader/internal/space"

// Operation is what the system was asked for.
type Operation int

const (
	Reserving  Operation = iota // addresses
	Committing                  // private memory
	Mapping                     // a piece of a file
)

// Blame finds the limit that refused: the one that the system named, or the least of
// those that apply to the operation and leave less than was asked for.
func (p Probe) Blame(op Operation, size uint64, named Limit) LimitLeft {
	apply := p.applying(op)
	for _, l := range apply {
		if l.Limit == named {
			return l
		}
	}
	// Making one mapping of another splits that in up to three.
	if p.MappingsLeft < 3 {
		return LimitLeft{LimitMappings, 0}
	}
	if l := Smallest(apply...); l.Left < size {
		return l
	}
	return LimitLeft{Left: p.LargestFreeBlock}
}

// applying are the limits that may refuse an operation, and what they leave.
func (p Probe) applying(op Operation) []LimitLeft {
	switch op {
	case Reserving:
		return []LimitLeft{{LimitAddresses, p.AddressSpaceLeft}, {LimitHole, p.LargestHole - min(p.LargestHole, space.Guards())}}
	case Committing:
		return []LimitLeft{{LimitCommit, p.CommitLeft}, {LimitData, p.DataLeft}, {LimitGroup, p.CgroupLeft}}
	}
	return []LimitLeft{{LimitCommit, p.CommitLeft}}
}
