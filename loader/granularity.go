package loader

// Granularity is the unit, in bytes, in which memory is taken: a page, on Windows 64 KiB. Every
// block, chunk and range is a multiple of it.
func Granularity() uint64 { return granularity() }
