//go:build !linux

package probe

// MappingsLeft returns [Unlimited]: the system does not limit the number of mappings.
func MappingsLeft() uint64 { return Unlimited }
