//go:build !race

package memtest

// Race reports whether this binary has the race detector, which maps shadow memory for all memory and
// makes sync.Pool drop objects at random.
const Race = false
