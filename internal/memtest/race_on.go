//go:build race && linux && (amd64 || arm64)

package memtest

// raceEnabled says whether this binary holds the race detector, which maps shadows of
// all memory.
const raceEnabled = true
