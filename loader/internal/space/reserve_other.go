//go:build unix && !linux

package space

import "unsafe"

// huge has nothing to ask for.
func (mmapSystem) Huge(unsafe.Pointer, uint64) {}
