//go:build unix

package probe

// LimitOf is the limit that an error names by itself: none of them here.
func LimitOf(error) Limit { return "" }
