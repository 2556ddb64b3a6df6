package loader

// mostDefaultChunk is the chunk size where memory is plenty: large enough that there
// are few mappings, small enough to fit holes.
const mostDefaultChunk = 256 << 20

// DefaultChunkSize is the chunk size where none is asked for, in bytes: the lesser of
// 256 MiB and half the largest free block, rounded down to the system's granularity,
// of which it is one unit at least.
func DefaultChunkSize(p Probe) uint64 {
	size := min(mostDefaultChunk, p.LargestFreeBlock/2)
	return max(size&^(granularity()-1), granularity())
}

// ChunkSize makes a chunk size of what was asked for.
func ChunkSize(size uint64) uint64 {
	if size > 0 {
		return roundUp(min(size, mostAddresses))
	}
	p, err := Measure()
	if err != nil {
		return mostDefaultChunk
	}
	return DefaultChunkSize(p)
}
