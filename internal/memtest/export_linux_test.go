//go:build linux && (amd64 || arm64)

package memtest

// RaceEnabled lets the tests know in which kind of binary they are.
const RaceEnabled = raceEnabled
