package loader

import (
	"slices"
)

// MemoryPart is what one purpose takes of a sum of memory.
type MemoryPart struct {
	Purpose Purpose `json:"purpose"`
	Bytes   uint64  `json:"bytes"`
}

// MemoryParts are the parts of a sum of memory.
type MemoryParts []MemoryPart

// Total is the sum in bytes.
func (ps MemoryParts) Total() (sum uint64) {
	for _, p := range ps {
		sum += p.Bytes
	}
	return sum
}

// Of is what one purpose takes, in bytes.
func (ps MemoryParts) Of(purpose Purpose) uint64 {
	if i := ps.index(purpose); i >= 0 {
		return ps[i].Bytes
	}
	return 0
}

// Largest is the purpose that takes most, but for [PurposeOther]; 0 where there is no other.
func (ps MemoryParts) Largest() Purpose {
	var most MemoryPart
	for _, p := range ps {
		if p.Purpose != PurposeOther && p.Bytes > most.Bytes {
			most = p
		}
	}
	return most.Purpose
}

// With adds a part, in a slice of its own, unless it is of 0 bytes.
func (ps MemoryParts) With(purpose Purpose, bytes uint64) MemoryParts {
	if bytes == 0 {
		return ps
	}
	return append(slices.Clip(ps), MemoryPart{purpose, bytes})
}

// Plus adds other parts, each to that of its purpose.
func (ps MemoryParts) Plus(others MemoryParts) MemoryParts {
	sum := slices.Clone(ps)
	for _, o := range others {
		if i := sum.index(o.Purpose); i >= 0 {
			sum[i].Bytes += o.Bytes
		} else {
			sum = append(sum, o)
		}
	}
	return sum
}

// Minus is the inverse of Plus.
func (ps MemoryParts) Minus(others MemoryParts) MemoryParts {
	left := slices.Clone(ps)
	for _, o := range others {
		if i := left.index(o.Purpose); i >= 0 {
			left[i].Bytes -= min(left[i].Bytes, o.Bytes)
		}
	}
	return slices.DeleteFunc(left, func(p MemoryPart) bool { return p.Bytes == 0 })
}

func (ps MemoryParts) index(purpose Purpose) int {
	return slices.IndexFunc(ps, func(p MemoryPart) bool { return p.Purpose == purpose })
}

// String lists the parts: "weights 512 MiB, kv 64 MiB and compute 96 MiB".
func (ps MemoryParts) String() string {
	texts := make([]string, len(ps))
	for i, p := range ps {
		texts[i] = p.Purpose.String() + " " + Size(p.Bytes)
	}
	return enumerate(texts)
}

// Short is the error of a sum of which a limit leaves only available bytes.
func (ps MemoryParts) Short(available uint64, limit Limit) *MemoryError {
	return &MemoryError{Purpose: ps.Largest(), Parts: ps, Requested: ps.Total(), Available: available, Limit: limit}
}
