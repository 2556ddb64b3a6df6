package memory

import (
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/probe"
)

// mostDefaultChunk is the chunk size where memory is plenty: large enough that there
// are few mappings, small enough to fit holes.
const mostDefaultChunk = 256 << 20

// DefaultChunkSize is the chunk size where none is asked for, in bytes: the lesser of
// 256 MiB and half the largest free block, rounded down to the system's granularity,
// of which it is one unit at least.
func DefaultChunkSize(p probe.Probe) uint64 {
	size := min(mostDefaultChunk, p.LargestFreeBlock/2)
	return max(size&^(space.Granularity()-1), space.Granularity())
}

// ChunkSize makes a chunk size of what was asked for.
func ChunkSize(size uint64) uint64 {
	if size > 0 {
		return space.RoundUp(min(size, space.MostAddresses))
	}
	p, err := probe.Measure()
	if err != nil {
		return mostDefaultChunk
	}
	return DefaultChunkSize(p)
}

// Granularity is the unit, in bytes, in which memory is taken: a page, on Windows 64 KiB. Every
// block, chunk and range is a multiple of it.
func Granularity() uint64 { return space.Granularity() }

// Size prints bytes for people, in binary units: "1.50 GiB".
func Size(n uint64) string { return words.Size(n) }
