//go:build !linux

package loader

import "os"

func sharedMemory(size int64) (*os.File, error) { return tempMemory(size) }
