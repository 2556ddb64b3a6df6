//go:build !linux && !darwin && !windows

package engines

// systemVersion is not known on this system.
func systemVersion() string { return "unknown" }
