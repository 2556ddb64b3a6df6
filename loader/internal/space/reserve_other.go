//go:build unix && !linux

package space

import "unsafe"

// Huge does nothing.
func (mmapSystem) Huge(unsafe.Pointer, uint64) {}
