package loader

// Granularity is the unit, in bytes, in which memory is taken: a page, on Windows 64 KiB. Every
// block, chunk and range is a multiple of it.
func Granularity() uint64 { return granularity() }

// pad rounds n up to a multiple of align, a power of two. It wraps around only above
// 2^63, which no validated size is.
func pad(n, align uint64) uint64 { return (n + align - 1) &^ (align - 1) }

// roundUp rounds n up to the system's granularity.
func roundUp(n uint64) uint64 { return pad(n, granularity()) }

// room is how much of a chunk is for content, so that a reservation with its guards
// takes no more addresses than the chunk size. Where a chunk is but a few pages that
// would cost too much, and the guards come on top.
func room(chunk uint64) uint64 {
	if chunk < 16*granularity() {
		return chunk
	}
	return (chunk - guards()) &^ (granularity() - 1)
}

// mostAddresses is more than any system gives, and far from where sums wrap around.
const mostAddresses = 1 << 62
