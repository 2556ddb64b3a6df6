//go:build !linux && !darwin && !windows

package memory

import (
	"os"
	"unsafe"
)

// Evict leaves it to the system.
func Evict(*os.File, unsafe.Pointer, int64, uint64) {}

// Leave leaves pages in the mapping.
func Leave(unsafe.Pointer, uint64) {}
