package gguf

import (
	"encoding/binary"
	"iter"
	"math"
)

// order is the byte order of supported files.
var order = binary.LittleEndian

// A Value is a value of a model's metadata: a number, a bool, a string or an array of those. It is a
// view of the header's bytes, which are immutable: values are cheap to copy and safe for
// concurrent use. A string taken from a value keeps its part of the header alive; use
// strings.Clone for a short one that is to outlive the model.
//
// The second result of an accessor is false if the value is of another kind. Accessors convert
// between widths, not between kinds. The zero Value has no kind.
type Value struct {
	typ, elem ValueType    // elem is the element type of an array
	n         int          // elements of an array
	data      []byte       // as in the file, but a string without its length
	strings   *stringArray // for an array of strings, instead of data
}

// Type returns the value's type, [ValueArray] for all arrays.
func (v Value) Type() ValueType { return v.typ }

// ElemType returns the type of an array's elements.
func (v Value) ElemType() ValueType { return v.elem }

// IsArray reports whether the value is an array.
func (v Value) IsArray() bool { return v.typ == ValueArray }

// Len returns the number of elements of an array, 0 for other values.
func (v Value) Len() int { return v.n }

// Uint returns a non-negative integer of any width and sign.
func (v Value) Uint() (uint64, bool) {
	if v.typ == ValueUint64 && len(v.data) == 8 {
		return order.Uint64(v.data), true
	}
	n, ok := v.Int()
	if !ok || n < 0 {
		return 0, false
	}
	return uint64(n), true
}

// Int returns an integer of any width and sign that fits in an int64.
func (v Value) Int() (int64, bool) {
	if len(v.data) == 0 {
		return 0, false
	}
	switch v.typ {
	case ValueUint8:
		return int64(v.data[0]), true
	case ValueInt8:
		return int64(int8(v.data[0])), true
	case ValueUint16:
		return int64(order.Uint16(v.data)), true
	case ValueInt16:
		return int64(int16(order.Uint16(v.data))), true
	case ValueUint32:
		return int64(order.Uint32(v.data)), true
	case ValueInt32:
		return int64(int32(order.Uint32(v.data))), true
	case ValueUint64:
		n := order.Uint64(v.data)
		return int64(n & math.MaxInt64), n <= math.MaxInt64
	case ValueInt64:
		return int64(order.Uint64(v.data)), true
	}
	return 0, false
}

// Float returns a number of one of the two floating-point types.
func (v Value) Float() (float64, bool) {
	if len(v.data) == 0 {
		return 0, false
	}
	switch v.typ {
	case ValueFloat32:
		return float64(math.Float32frombits(order.Uint32(v.data))), true
	case ValueFloat64:
		return math.Float64frombits(order.Uint64(v.data)), true
	}
	return 0, false
}

// Bool returns a bool.
func (v Value) Bool() (value, ok bool) {
	if v.typ != ValueBool || len(v.data) == 0 {
		return false, false
	}
	return v.data[0] != 0, true
}

// Str returns a string, which need not be valid UTF-8.
func (v Value) Str() (string, bool) {
	if v.typ != ValueString {
		return "", false
	}
	return asString(v.data), true
}

// At returns element i of an array, the zero Value if there is none, in constant time.
func (v Value) At(i int) Value {
	if i < 0 || i >= v.n {
		return Value{}
	}
	if v.strings != nil {
		return Value{typ: v.elem, data: v.strings.at(i)}
	}
	size := int(valueTypes[v.elem].size)
	return Value{typ: v.elem, data: v.data[i*size : (i+1)*size : (i+1)*size]}
}

// Elems iterates over the elements of an array in order; over nothing for other values.
func (v Value) Elems() iter.Seq2[int, Value] {
	return func(yield func(int, Value) bool) {
		if v.strings == nil {
			for i := range v.n {
				if !yield(i, v.At(i)) {
					return
				}
			}
			return
		}
		for i, s := range v.strings.all() {
			if !yield(i, Value{typ: v.elem, data: s}) {
				return
			}
		}
	}
}

// Strings iterates over the elements of an array of strings in order; over nothing for other
// values.
func (v Value) Strings() iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		if v.strings == nil {
			return
		}
		for i, s := range v.strings.all() {
			if !yield(i, asString(s)) {
				return
			}
		}
	}
}
