//go:build !linux

package benchmarks

func kernelRelease() string { return "" }

func cpuName() string { return "" }
