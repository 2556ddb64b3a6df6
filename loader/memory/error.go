package memory

import (
	"errors"
	"fmt"
	"strings"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/probe"
)

// ErrInsufficientMemory is wrapped by every error that says that memory or
// address space was refused or would be. The detail is a [*Error].
var ErrInsufficientMemory = errors.New("not enough memory")

// Error is memory that was refused, or is known not to be there. It wraps
// [ErrInsufficientMemory].
type Error struct {
	Purpose Purpose // of the largest part where there are several; 0 where it has none
	// Parts are what Requested is the sum of, by purpose; nil for one piece.
	Parts     Parts
	Requested uint64 // bytes in one piece, or all that was to be taken together
	// Available is how many bytes Limit leaves; where no limit explains the refusal,
	// the largest free block.
	Available uint64
	Limit     probe.Limit // what refuses; "" if unknown
	Remedies  []Remedy    // what would help, each to be tried alone
	Err       error       // the system's error, or nil
}

// Error says what was refused, why, and what would help.
func (e *Error) Error() string { return e.Text(nil) }

// Text is Error with what note says of each change that would help: see [Remedy.Text].
func (e *Error) Text(note func(Remedy) string) string {
	var b strings.Builder
	b.WriteString(ErrInsufficientMemory.Error())
	switch {
	case len(e.Parts) > 1:
		b.WriteString(" for " + e.Parts.String())
	case e.Purpose != 0:
		b.WriteString(" for " + e.Purpose.String())
	}
	fmt.Fprintf(&b, ": %s needed", words.Size(e.Requested))
	switch {
	case e.Limit == probe.LimitMappings, e.Limit == probe.LimitAdmission:
		b.WriteString(", limited by the " + string(e.Limit))
	case e.Limit != "":
		fmt.Fprintf(&b, ", %s left by the %s", words.Size(e.Available), e.Limit)
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
func (e *Error) Unwrap() []error {
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
	return fmt.Sprintf("block of %s for %v: larger than the bound of %s on contiguous addresses", words.Size(e.Requested), e.Purpose, words.Size(e.Limit))
}

// refused makes the error of what the system did not give: an Error with the
// limit that most likely refused, or, where a file can't be mapped for other reasons
// than memory, those.
func refused(op probe.Operation, p Purpose, size uint64, err error) error {
	if op == probe.Mapping && !space.LacksMemory(err) {
		return fmt.Errorf("mapping %s: %w", words.Size(size), err)
	}
	e := &Error{Purpose: p, Requested: size, Err: err}
	if m, merr := probe.Measure(); merr == nil {
		l := m.Blame(op, size, probe.LimitOf(err))
		e.Available, e.Limit, e.Remedies = l.Left, l.Limit, remedies(l.Limit, size-min(size, l.Left))
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
	m, err := probe.Measure()
	if err != nil || m.MappingsLeft == probe.Unlimited || n+mappingsReserve <= m.MappingsLeft {
		return nil // unless something is known, the attempt decides
	}
	return &Error{
		Purpose: p, Requested: size, Available: m.LargestFreeBlock, Limit: probe.LimitMappings, Remedies: remedies(probe.LimitMappings, 0),
		Err: fmt.Errorf("%d needed, %d left, of which the process needs some itself", n, m.MappingsLeft),
	}
}
