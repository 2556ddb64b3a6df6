//go:build !linux

package system

// Kernel is "".
func Kernel() string { return "" }

// CPU is "".
func CPU() string { return "" }
