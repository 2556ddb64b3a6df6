package loader

import (
	"errors"
	"fmt"
	"strings"
)

// ErrInsufficientMemory is wrapped by every error that says that memory or
// address space was refused or would be. The detail is a [*MemoryError].
var ErrInsufficientMemory = errors.New("not enough memory")

// MemoryError is memory that was refused, or is known not to be there. It wraps
// [ErrInsufficientMemory].
type MemoryError struct {
	Purpose Purpose // of the largest part where there are several; 0 where it has none
	// Parts are what Requested is the sum of, by purpose; nil for one piece.
	Parts     MemoryParts
	Requested uint64 // bytes in one piece, or all that was to be taken together
	// Available is how many bytes Limit leaves; where no limit explains the refusal,
	// the largest free block.
	Available uint64
	Limit     Limit    // what refuses; "" if unknown
	Remedies  []Remedy // what would help, each to be tried alone
	Err       error    // the system's error, or nil
}

// Error says what was refused, why, and what would help.
func (e *MemoryError) Error() string { return e.Text(nil) }

// Text is Error with what note says of each change that would help: see [Remedy.Text].
func (e *MemoryError) Text(note func(Remedy) string) string {
	var b strings.Builder
	b.WriteString(ErrInsufficientMemory.Error())
	switch {
	case len(e.Parts) > 1:
		b.WriteString(" for " + e.Parts.String())
	case e.Purpose != 0:
		b.WriteString(" for " + e.Purpose.String())
	}
	fmt.Fprintf(&b, ": %s needed", Size(e.Requested))
	switch {
	case e.Limit == LimitMappings, e.Limit == LimitAdmission:
		b.WriteString(", limited by the " + string(e.Limit))
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
		b.WriteString(r.Text(note))
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

// mappingsReserve is how many mappings are left to the rest of the process: Go's
// runtime ends the process when it gets none, and so do many libraries.
const mappingsReserve = 1024

// CheckMappings refuses what would take the last mappings of the process, before it
// takes any. size bytes take n.
func CheckMappings(p Purpose, size, n uint64) error {
	if err := p.check(); err != nil {
		return err
	}
	m, err := Measure()
	if err != nil || m.MappingsLeft == Unlimited || n+mappingsReserve <= m.MappingsLeft {
		return nil // unless something is known, the attempt decides
	}
	return &MemoryError{
		Purpose: p, Requested: size, Available: m.LargestFreeBlock, Limit: LimitMappings, Remedies: remedies(LimitMappings, 0),
		Err: fmt.Errorf("%d needed, %d left, of which the process needs some itself", n, m.MappingsLeft),
	}
}
