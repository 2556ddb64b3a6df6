//go:build !race

package memtest

// Race says whether this binary holds the race detector, which maps shadows of all memory
// and has pools forget at random.
const Race = false
