package space

// Pad rounds n up to a multiple of align, a power of two. It overflows only above 2^63, which no
// validated size reaches.
func Pad(n, align uint64) uint64 { return (n + align - 1) &^ (align - 1) }

// RoundUp rounds n up to the granularity.
func RoundUp(n uint64) uint64 { return Pad(n, Granularity()) }

// Payload returns how many bytes of a chunk a block can use, so that a reservation with its guard
// pages takes no more addresses than the chunk size. If a chunk has fewer than 16 pages, the
// guard pages are added outside instead, as they would take too much of it.
func Payload(chunk uint64) uint64 {
	if chunk < 16*Granularity() {
		return chunk
	}
	return (chunk - Guards()) &^ (Granularity() - 1)
}

// MostAddresses is larger than any address space, and small enough that sums do not overflow.
const MostAddresses = 1 << 62
