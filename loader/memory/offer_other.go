//go:build !linux

package memory

import (
	"errors"
	"unsafe"
)

// Offered is private memory that the system may take, page by page, until it is taken back.
type Offered struct{}

// Mark prepares private memory for [Offer].
func Mark(unsafe.Pointer, uint64) *Offered { return &Offered{} }

// Offer returns an error: these systems have no such call, or write memory to a page file instead.
func Offer([]*Offered) error { return errors.ErrUnsupported }

// TakeBack ends an offer. It reports whether the memory has its content.
func (o *Offered) TakeBack() bool { return true }

// Resident returns the size: these systems do not tell which pages are in RAM.
func Resident(_ unsafe.Pointer, size uint64) uint64 { return size }
