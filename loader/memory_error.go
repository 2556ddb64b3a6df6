package loader

import (
	"fmt"
	"strings"
)

// MemoryError is memory that was refused, or is known not to be there. It wraps
// [ErrInsufficientMemory].
type MemoryError struct {
	Purpose Purpose // of the largest part where there are several
	// Parts are what Requested is the sum of, by purpose; nil for one piece.
	Parts     MemoryParts
	Requested uint64 // bytes in one piece, or all that was to be taken together
	// Available is how many bytes Limit leaves; where no limit explains the refusal,
	// the largest free block.
	Available uint64
	Limit     string   // what refuses: "commit limit", "control group", ...; "" if unknown
	Remedies  []string // what would help, each to be tried alone
	Err       error    // the system's error, or nil
}

// Error says what was refused, why, and what would help.
func (e *MemoryError) Error() string {
	var b strings.Builder
	purpose := e.Purpose.String()
	if len(e.Parts) > 1 {
		purpose = e.Parts.String()
	}
	fmt.Fprintf(&b, "%v for %s: %s needed", ErrInsufficientMemory, purpose, Size(e.Requested))
	switch {
	case e.Limit == limitMappings, e.Limit == limitAdmission:
		b.WriteString(", limited by the " + e.Limit)
	case e.Limit != "":
		fmt.Fprintf(&b, ", %s left by the %s", Size(e.Available), e.Limit)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, " (%v)", e.Err)
	}
	for i, r := range e.Remedies {
		if i == 0 {
			b.WriteString(": ")
		} else {
			b.WriteString(", or ")
		}
		b.WriteString(r)
	}
	return b.String()
}

// Unwrap makes the error an ErrInsufficientMemory, and what Err is.
func (e *MemoryError) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrInsufficientMemory}
	}
	return []error{ErrInsufficientMemory, e.Err}
}

// RangeError is a block that would take more contiguous addresses than its arena
// allows.
type RangeError struct {
	Purpose   Purpose
	Requested uint64 // bytes
	Limit     uint64 // bytes
}

// Error names both sizes.
func (e *RangeError) Error() string {
	return fmt.Sprintf("block of %s for %v: larger than the bound of %s on contiguous addresses", Size(e.Requested), e.Purpose, Size(e.Limit))
}

// operation is what the system was asked for.
type operation int

const (
	reserving  operation = iota // addresses
	committing                  // private memory
	mapping                     // a piece of a file
)

// refused makes the error of what the system did not give: a MemoryError with the
// limit that most likely refused, or, where a file can't be mapped for other reasons
// than memory, those.
func refused(op operation, p Purpose, size uint64, err error) error {
	if op == mapping && !lacksMemory(err) {
		return fmt.Errorf("mapping %s: %w", Size(size), err)
	}
	e := &MemoryError{Purpose: p, Requested: size, Err: err}
	if m, merr := Measure(); merr == nil {
		l := m.blame(op, size, limitOf(err))
		e.Available, e.Limit, e.Remedies = l.left, l.name, remedies(l.name, size-min(size, l.left))
	}
	return e
}

// blame finds the limit that refused: the one that the system named, or the least of
// those that apply to the operation and leave less than was asked for.
func (p Probe) blame(op operation, size uint64, named string) limit {
	apply := p.applying(op)
	for _, l := range apply {
		if l.name == named {
			return l
		}
	}
	// Making one mapping of another splits that in up to three.
	if p.MappingsLeft < 3 {
		return limit{limitMappings, 0}
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
		return []limit{{limitAddress, p.AddressSpaceLeft}, {limitHole, p.LargestHole - min(p.LargestHole, guards())}}
	case committing:
		return []limit{{limitCommit, p.CommitLeft}, {limitData, p.DataLeft}, {limitCgroup, p.CgroupLeft}}
	}
	return []limit{{limitCommit, p.CommitLeft}}
}

// mappingsReserve is how many mappings are left to the rest of the process: Go's
// runtime ends the process when it gets none, and so do many libraries.
const mappingsReserve = 1024

// checkMappings refuses what would take the last mappings of the process, before it
// takes any. size bytes take n.
func checkMappings(p Purpose, size, n uint64) error {
	m, err := Measure()
	if err != nil || m.MappingsLeft == Unlimited || n+mappingsReserve <= m.MappingsLeft {
		return nil // unless something is known, the attempt decides
	}
	return &MemoryError{
		Purpose: p, Requested: size, Available: m.LargestFreeBlock, Limit: limitMappings, Remedies: remedies(limitMappings, 0),
		Err: fmt.Errorf("%d needed, %d left, of which the process needs some itself", n, m.MappingsLeft),
	}
}

// remedies are what helps against a limit that leaves short bytes too little; 0 where
// that is not known.
func remedies(limit string, short uint64) []string {
	list := RaiseLimit(limit, short)
	switch limit {
	case limitMappings:
		return list
	case limitHole, limitCgroup, limitAddress:
		return append(list, lessMemory)
	}
	return append(list, mapInstead, lessMemory)
}

// RaiseLimit is what raises one of the limits that [MemoryError].Limit names, on this
// system, by missing bytes (0: by what is needed), or makes do with it.
func RaiseLimit(limit string, missing uint64) []string {
	by := ""
	if missing > 0 {
		by = " by " + Size(missing)
	}
	switch limit {
	case limitCgroup:
		return []string{"raise the memory limit of the control group or job" + by}
	case limitAddress:
		return []string{"raise the address space limit" + by + " (ulimit -v)"}
	case limitData:
		return []string{"raise the data limit" + by + " (ulimit -d)"}
	case limitHole:
		return []string{"use a smaller chunk size", "restart the process, whose address space is fragmented"}
	case limitMappings:
		return []string{"use a larger chunk size", "raise vm.max_map_count"}
	case limitPool:
		return []string{"use a larger pool (--pool)"}
	case limitRAM:
		return []string{"close other programs"}
	}
	return append([]string{"close other programs"}, raiseCommit(by)...)
}

// Remedies are what would make the largest free block larger, each to be tried alone,
// the likeliest first.
func (p Probe) Remedies() []string {
	if p.LimitedBy == limitCommit && p.Overcommit == 0 {
		// What is promised to others is not counted then: only the size of one block is.
		return []string{"allocate in smaller blocks (--chunk-size)", "add swap", mapInstead}
	}
	if p.LimitedBy == limitCommit && p.PossibleBlock > p.LargestFreeBlock && len(p.PageFiles) > 0 {
		return []string{mapInstead, "allocate in smaller blocks (--chunk-size), for which page files grow meanwhile", "close programs that have committed much"}
	}
	return remedies(p.LimitedBy, 0)
}

// lessMemory is the last way out of all limits.
const lessMemory = "use a smaller model, context or batch"

// mapInstead is the first way out of a commit limit.
const mapInstead = "map the weights rather than copying them (--load mmap), which is not charged as commit"

// Size prints bytes for people, in binary units.
func Size(n uint64) string {
	switch {
	case n >= 10<<40:
		return fmt.Sprintf("%.1f TiB", float64(n)/(1<<40))
	case n >= 1<<40:
		return fmt.Sprintf("%.2f TiB", float64(n)/(1<<40))
	case n >= 10<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<30:
		return fmt.Sprintf("%.2f GiB", float64(n)/(1<<30))
	case n >= 10<<20:
		return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 10<<10:
		return fmt.Sprintf("%.0f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}
