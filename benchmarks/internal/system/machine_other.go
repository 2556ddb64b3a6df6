//go:build !linux

package system

// Kernel returns "": unknown on this system.
func Kernel() string { return "" }

// CPU returns "": unknown on this system.
func CPU() string { return "" }
