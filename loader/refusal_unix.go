//go:build unix

package loader

// limitOf is the limit that an error names by itself: none of them here.
func limitOf(error) Limit { return "" }
