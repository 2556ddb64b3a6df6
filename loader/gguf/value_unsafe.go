package gguf

import "unsafe"

// asString returns b as a string without copying. b must be part of a header that has been read: it is
// never written again, as a string requires, and the string keeps it alive. Copies of a vocabulary
// of 250,000 tokens would double the memory of the header.
func asString(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}
