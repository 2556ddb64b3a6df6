//go:build !windows

package peak

// firstSample is the assumed cost of the first reading of the process's memory.
const firstSample = 0
