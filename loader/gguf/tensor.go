package gguf

import (
	"fmt"
	"math/bits"
	"strings"
)

// A Tensor says what one of a model's arrays is and where its bytes are.
type Tensor struct {
	Name   string
	Type   Type
	Shape  []uint64 // elements of each dimension, 1 to 4 of them, the fastest first; not to be changed
	File   int      // index into [Index.Files]
	Offset int64    // bytes from the beginning of that file
	Size   uint64   // bytes
}

// Elements returns the product of the shape.
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

// tensorBytes returns the size of a tensor, or the reason for which the engine
// would not have it.
func tensorBytes(t Type, shape []uint64) (size uint64, reason string) {
	n, ok := elements(shape)
	switch {
	case len(shape) == 0 || len(shape) > maxDims:
		return 0, "a tensor has 1 to 4 dimensions"
	case n == 0:
		return 0, "a dimension is at least 1"
	case !ok:
		return 0, "more elements than can be counted"
	case !t.Valid():
		return 0, "no type of this engine, or one removed from it"
	case shape[0]%t.BlockSize() != 0:
		return 0, "a row is no multiple of the type's block"
	}
	// The engine multiplies before it divides.
	if hi, _ := bits.Mul64(shape[0], t.BlockBytes()); hi != 0 {
		return 0, "more bytes than can be counted"
	}
	hi, size := bits.Mul64(n/t.BlockSize(), t.BlockBytes())
	if hi != 0 || size > 1<<62 {
		return 0, "more bytes than can be counted"
	}
	return size, ""
}

// Bounds is what a range from the first to the last tensor covers of their file, in whole
// units: a power of two.
func Bounds(first, last Tensor, unit uint64) (offset, size uint64) {
	offset = uint64(first.Offset) &^ (unit - 1)
	if end := uint64(last.Offset) + last.Size; end > uint64(first.Offset) {
		size = pad(end, unit) - offset
	}
	return offset, size
}

// ShapeText is the tensor's shape for people: "of shape 4096×32".
func (t Tensor) ShapeText() string {
	return "of shape " + strings.Trim(strings.ReplaceAll(fmt.Sprint(t.Shape), " ", "×"), "[]")
}

// pad rounds n up to a multiple of align, a power of two. It wraps around only above
// 2^63, which no validated size is.
func pad(n, align uint64) uint64 { return (n + align - 1) &^ (align - 1) }
