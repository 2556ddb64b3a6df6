package loader

// operation is what the system was asked for.
type operation int

const (
	reserving  operation = iota // addresses
	committing                  // private memory
	mapping                     // a piece of a file
)

// blame finds the limit that refused: the one that the system named, or the least of
// those that apply to the operation and leave less than was asked for.
func (p Probe) blame(op operation, size uint64, named Limit) limit {
	apply := p.applying(op)
	for _, l := range apply {
		if l.name == named {
			return l
		}
	}
	// Making one mapping of another splits that in up to three.
	if p.MappingsLeft < 3 {
		return limit{LimitMappings, 0}
	}
	if l := smallest(apply...); l.left < size {
		return l
	}
	return limit{left: p.LargestFreeBlock}
}

// applying are the limits that may refuse an operation, and what they leave.
func (p Probe) applying(op operation) []limit {
	switch op {
	case reserving:
		return []limit{{LimitAddresses, p.AddressSpaceLeft}, {LimitHole, p.LargestHole - min(p.LargestHole, guards())}}
	case committing:
		return []limit{{LimitCommit, p.CommitLeft}, {LimitData, p.DataLeft}, {LimitGroup, p.CgroupLeft}}
	}
	return []limit{{LimitCommit, p.CommitLeft}}
}
