package gguf

import "unsafe"

// asString returns b's bytes as a string without copying them. It is only for bytes
// of a header that has been read: nothing writes to those again, which is what a
// string requires, and the string keeps them alive. A vocabulary of 250,000
// tokens is why: a copy of each would double what the header costs.
func asString(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}
