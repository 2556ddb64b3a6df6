package memory

import (
	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/probe"
)

// maxDefaultChunk is the default chunk size if memory is ample: large enough for few mappings,
// small enough for most holes.
const maxDefaultChunk = 256 << 20

// DefaultChunkSize returns the default chunk size in bytes: 256 MiB or half the largest free block,
// whichever is less, rounded down to the granularity, at least one unit of it.
func DefaultChunkSize(p probe.Probe) uint64 {
	size := min(maxDefaultChunk, p.LargestFreeBlock/2)
	return max(size&^(space.Granularity()-1), space.Granularity())
}

// ChunkSize rounds a requested chunk size up to the granularity; 0 becomes the default.
func ChunkSize(size uint64) uint64 {
	if size > 0 {
		return space.RoundUp(min(size, space.MostAddresses))
	}
	p, err := probe.Measure()
	if err != nil {
		return maxDefaultChunk
	}
	return DefaultChunkSize(p)
}

// Granularity returns the unit of allocation in bytes: the page size, on Windows 64 KiB. Sizes of
// blocks, chunks and ranges are multiples of it.
func Granularity() uint64 { return space.Granularity() }

// Size formats bytes in binary units: "1.50 GiB".
func Size(n uint64) string { return words.Size(n) }
