//go:build !linux && !windows

package idle

// lowerPriority does nothing: threads have no priority of their own that Go could set.
func lowerPriority() {}
