package space

import "unsafe"

// All arithmetic on native addresses is in this file.
//
// The memory behind these pointers comes from system calls, never from Go's heap: the garbage
// collector neither moves, frees nor scans it, and ignores pointers to it, as the rules of
// package unsafe and of cgo permit. The callers ensure that an address is used only while its
// reservation exists, and that n does not lead outside the reservation.

// At returns the address n bytes after p; n may be negative.
func At[N int | int64 | uint64](p unsafe.Pointer, n N) unsafe.Pointer { return unsafe.Add(p, n) }

// BytesAt returns native memory as a slice, which must not be used after the memory is released.
func BytesAt(p unsafe.Pointer, n uint64) []byte { return unsafe.Slice((*byte)(p), n) }
