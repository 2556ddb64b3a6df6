//go:build unix && !linux

package space

import "os"

// sharedFile returns an empty file to map as memory.
func sharedFile() (*os.File, error) { return tempMemory() }
