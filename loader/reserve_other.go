//go:build unix && !linux

package loader

import "unsafe"

// huge has nothing to ask for.
func (mmapSystem) huge(unsafe.Pointer, uint64) {}
