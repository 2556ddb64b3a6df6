//go:build !linux

package loader

// createSkeleton makes a temporary file.
func createSkeleton() (*skeletonFile, error) { return tempSkeleton() }
