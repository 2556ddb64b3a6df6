//go:build unix && !linux

package space

import "unsafe"

// Huge has nothing to ask for.
func (mmapSystem) Huge(unsafe.Pointer, uint64) {}
