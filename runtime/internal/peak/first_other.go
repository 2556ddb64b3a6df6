//go:build !windows

package peak

// firstSample is what the first reading of the process's memory is taken to cost.
const firstSample = 0
