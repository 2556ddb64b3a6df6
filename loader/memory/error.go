package memory

import (
	"errors"
	"fmt"
	"strings"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/probe"
)

// ErrInsufficientMemory is wrapped by every error about memory or address space that was or
// would be refused. The details are in an [*Error].
var ErrInsufficientMemory = errors.New("not enough memory")

// Error is returned when memory was refused or is known to be missing. It wraps
// [ErrInsufficientMemory].
type Error struct {
	Purpose Purpose // of the largest part if there are Parts; 0: none
	// Parts break Requested down by purpose; nil if it is one allocation.
	Parts     Parts
	Requested uint64 // bytes: one allocation, or the sum of Parts
	// Available is how many bytes Limit leaves; if no limit explains the refusal, the largest
	// free block.
	Available uint64
	Limit     probe.Limit // which limit refused; "" if unknown
	Remedies  []Remedy    // changes that would help, each on its own
	Err       error       // the system's error; may be nil
}

// Error returns what was refused, by which limit, and the remedies, in one line.
func (e *Error) Error() string { return e.Text(nil) }

// Text is Error with note's text added to each remedy: see [Remedy.Text].
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

// Unwrap returns ErrInsufficientMemory and Err.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrInsufficientMemory}
	}
	return []error{ErrInsufficientMemory, e.Err}
}

// RangeError is returned for a block that exceeds the arena's bound on contiguous addresses.
type RangeError struct {
	Purpose   Purpose
	Requested uint64 // bytes, rounded up to the granularity
	Limit     uint64 // [ArenaOptions].MaxRange in bytes
}

// Error returns both sizes, in one line.
func (e *RangeError) Error() string {
	return fmt.Sprintf("block of %s for %v exceeds the arena's bound of %s on contiguous addresses", words.Size(e.Requested), e.Purpose, words.Size(e.Limit))
}

// refused returns the error for a request that the system refused: an Error with the most likely
// limit, or a plain error if a file could not be mapped for another reason than memory.
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

// mappingsReserve is the number of mappings left to the rest of the process. Go's runtime, like
// many libraries, ends the process if it gets none.
const mappingsReserve = 1024

// CheckMappings returns an [*Error] if size bytes in n mappings would leave the process fewer
// mappings than it needs. It takes nothing.
func CheckMappings(p Purpose, size, n uint64) error {
	if err := p.check(); err != nil {
		return err
	}
	left := probe.MappingsLeft()
	if left == probe.Unlimited || n+mappingsReserve <= left {
		return nil // unlimited or unknown: try
	}
	m, _ := probe.Measure() // for the message
	return &Error{
		Purpose: p, Requested: size, Available: m.LargestFreeBlock, Limit: probe.LimitMappings, Remedies: remedies(probe.LimitMappings, 0),
		Err: fmt.Errorf("%d mappings needed, %d left, %d of them kept for the rest of the process", n, left, mappingsReserve),
	}
}
