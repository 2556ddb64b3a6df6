package loader

import "math/bits"

// Tensor is a tensor of a model: where its bytes are and what they are.
type Tensor struct {
	Name   string
	Type   Type
	Shape  []uint64 // elements of each dimension, the fastest running first
	File   int      // index into [Index.Files]
	Offset int64    // bytes from the beginning of that file
	Size   uint64   // bytes
}

// Elements is the product of the shape.
func (t Tensor) Elements() uint64 {
	n := uint64(1)
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// elements multiplies a shape, and tells whether the product can be represented in
// 63 bits as the engine demands.
func elements(shape []uint64) (n uint64, ok bool) {
	n = 1
	for _, d := range shape {
		hi, lo := bits.Mul64(n, d)
		if hi != 0 || lo >= 1<<63-1 {
			return 0, false
		}
		n = lo
	}
	return n, true
}

// pad rounds n up to a multiple of align, a power of two. It wraps around only above
// 2^63, which no validated size is.
func pad(n, align uint64) uint64 { return (n + align - 1) &^ (align - 1) }
