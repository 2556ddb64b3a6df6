package gguf

import (
	"fmt"
	"math/bits"
	"strings"
)

// A Tensor describes one of a model's arrays and the location of its bytes.
type Tensor struct {
	Name   string
	Type   Type
	Shape  []uint64 // elements of each dimension (1 to 4), the fastest varying first; do not change it
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

// elements multiplies a shape, and reports whether the product fits in 63 bits, as the engine
// requires.
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

// tensorBytes returns the size of a tensor, or why the engine would refuse it.
func tensorBytes(t Type, shape []uint64) (size uint64, reason string) {
	n, ok := elements(shape)
	switch {
	case len(shape) == 0 || len(shape) > maxDims:
		return 0, "a tensor must have 1 to 4 dimensions"
	case n == 0:
		return 0, "a dimension must be at least 1"
	case !ok:
		return 0, "the number of elements overflows"
	case !t.Valid():
		return 0, "unknown type"
	case shape[0]%t.BlockSize() != 0:
		return 0, "the row length is not a multiple of the type's block"
	}
	// The engine multiplies before it divides.
	if hi, _ := bits.Mul64(shape[0], t.BlockBytes()); hi != 0 {
		return 0, "the size in bytes overflows"
	}
	hi, size := bits.Mul64(n/t.BlockSize(), t.BlockBytes())
	if hi != 0 || size > 1<<62 {
		return 0, "the size in bytes overflows"
	}
	return size, ""
}

// Bounds returns the offset and size of the range of the file from the first to the last tensor,
// extended to multiples of unit, a power of two.
func Bounds(first, last Tensor, unit uint64) (offset, size uint64) {
	offset = uint64(first.Offset) &^ (unit - 1)
	if end := uint64(last.Offset) + last.Size; end > uint64(first.Offset) {
		size = pad(end, unit) - offset
	}
	return offset, size
}

// ShapeText returns the tensor's shape in words: "of shape 4096×32".
func (t Tensor) ShapeText() string {
	return "of shape " + strings.Trim(strings.ReplaceAll(fmt.Sprint(t.Shape), " ", "×"), "[]")
}

// pad rounds n up to a multiple of align, a power of two. It overflows only above 2^63, which no
// validated size reaches.
func pad(n, align uint64) uint64 { return (n + align - 1) &^ (align - 1) }
