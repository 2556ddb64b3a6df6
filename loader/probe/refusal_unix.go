//go:build unix

package probe

// LimitOf returns the limit that an error names; none on this system.
func LimitOf(error) Limit { return "" }
