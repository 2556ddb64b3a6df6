//go:build unix && !linux

package space

import "os"

// sharedFile is a file for memory, empty.
func sharedFile() (*os.File, error) { return tempMemory() }
