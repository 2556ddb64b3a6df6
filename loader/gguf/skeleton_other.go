//go:build !linux

package gguf

// createSkeleton makes a temporary file.
func createSkeleton() (*skeletonFile, error) { return tempSkeleton() }
