//go:build !linux && !windows

package idle

// lowerPriority does nothing: these systems offer no priority of a thread that Go can set.
func lowerPriority() {}
