package loader

import (
	"fmt"
	"strings"
)

// MemoryError is memory that was refused, or is known not to be there.
type MemoryError struct {
	Purpose   Purpose
	Requested uint64 // bytes
	Available uint64 // bytes that there are, where Limit is known
	Limit     string // the limit that refuses: "commit limit", "control group", ...
	Remedies  []string
	Err       error // the system's error, may be nil
}

func (e *MemoryError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v for %v: %s needed", ErrInsufficientMemory, e.Purpose, Size(e.Requested))
	if e.Limit != "" {
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

// RangeError is a block that would take more contiguous addresses than allowed.
type RangeError struct {
	Requested uint64 // bytes
	Limit     uint64 // bytes
}

func (e *RangeError) Error() string {
	return fmt.Sprintf("block of %s, larger than the bound of %s", Size(e.Requested), Size(e.Limit))
}

// Size prints bytes for people, in binary units.
func Size(n uint64) string {
	switch {
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
