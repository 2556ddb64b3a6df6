package space

import "unsafe"

// All arithmetic on native addresses is in this file.
//
// The memory behind these pointers comes from the system's calls, never from Go's
// heap: the garbage collector neither moves nor frees nor scans it, and ignores
// pointers to it wherever they are kept, as the rules of package unsafe and of cgo
// allow. What must be kept by hand is what the types around it keep: an address is
// only used between the reservation that gave it and the release of that reservation,
// and n never leads out of the reservation.

// At is the address n bytes behind p, or before it where n is negative.
func At[N int | int64 | uint64](p unsafe.Pointer, n N) unsafe.Pointer { return unsafe.Add(p, n) }

// BytesAt is native memory as a slice, which must not outlive the memory.
func BytesAt(p unsafe.Pointer, n uint64) []byte { return unsafe.Slice((*byte)(p), n) }
