package memory

import (
	"slices"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader/probe"
)

// Part is one purpose's share of a sum of memory.
type Part struct {
	Purpose Purpose `json:"purpose"`
	Bytes   uint64  `json:"bytes"`
}

// Parts are the shares of a sum of memory, one for each purpose.
type Parts []Part

// Total returns the sum in bytes.
func (ps Parts) Total() (sum uint64) {
	for _, p := range ps {
		sum += p.Bytes
	}
	return sum
}

// Of returns the bytes of one purpose.
func (ps Parts) Of(purpose Purpose) uint64 {
	if i := ps.index(purpose); i >= 0 {
		return ps[i].Bytes
	}
	return 0
}

// Largest returns the purpose with the most bytes other than [PurposeOther]; 0 if there is none.
func (ps Parts) Largest() Purpose {
	var most Part
	for _, p := range ps {
		if p.Purpose != PurposeOther && p.Bytes > most.Bytes {
			most = p
		}
	}
	return most.Purpose
}

// With returns a copy with a part added. If bytes is 0 it returns ps.
func (ps Parts) With(purpose Purpose, bytes uint64) Parts {
	if bytes == 0 {
		return ps
	}
	return append(slices.Clip(ps), Part{purpose, bytes})
}

// Plus returns the sum of both, by purpose.
func (ps Parts) Plus(others Parts) Parts {
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

// Minus returns the difference of both, by purpose.
func (ps Parts) Minus(others Parts) Parts {
	left := slices.Clone(ps)
	for _, o := range others {
		if i := left.index(o.Purpose); i >= 0 {
			left[i].Bytes -= min(left[i].Bytes, o.Bytes)
		}
	}
	return slices.DeleteFunc(left, func(p Part) bool { return p.Bytes == 0 })
}

func (ps Parts) index(purpose Purpose) int {
	return slices.IndexFunc(ps, func(p Part) bool { return p.Purpose == purpose })
}

// String lists the parts: "weights 512 MiB, kv 64 MiB and compute 96 MiB".
func (ps Parts) String() string {
	texts := make([]string, len(ps))
	for i, p := range ps {
		texts[i] = p.Purpose.String() + " " + words.Size(p.Bytes)
	}
	return words.Enumerate(texts)
}

// Short returns the error for a sum of which a limit leaves only available bytes.
func (ps Parts) Short(available uint64, limit probe.Limit) *Error {
	return &Error{Purpose: ps.Largest(), Parts: ps, Requested: ps.Total(), Available: available, Limit: limit}
}
