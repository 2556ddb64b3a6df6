//go:build !linux

package loader

import "os"

func skeletonFile() (f *os.File, path string, remove func() error, err error) { return tempSkeleton() }
