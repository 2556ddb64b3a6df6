package loader

import (
	"fmt"
	"io"
	"math"
)

// Writer lays out a GGUF file of version 3: keys and tensors are added in the order
// in which they will stand, then WriteHeader writes everything but the tensors' data.
// The caller writes those one after another, each followed by [Writer.Padding].
//
// The zero value is ready to use. It is not safe for concurrent use.
type Writer struct {
	align   uint64
	keys    []byte
	nkeys   uint64
	tensors []byte
	ntens   uint64
	next    uint64 // offset of the next tensor
}

// SetAlignment sets the alignment of tensors, 32 by default, and adds its key. It
// comes before the first tensor.
func (w *Writer) SetAlignment(n uint32) {
	w.align = uint64(n)
	w.Add(keyAlignment, Uint32Value(n))
}

func (w *Writer) alignment() uint64 {
	if w.align == 0 {
		return defaultAlignment
	}
	return w.align
}

// Add appends a key.
func (w *Writer) Add(key string, v Value) {
	w.keys = appendText(w.keys, key)
	w.keys = order.AppendUint32(w.keys, uint32(v.typ))
	if v.typ == ValueArray {
		w.keys = order.AppendUint32(w.keys, uint32(v.elem))
		w.keys = order.AppendUint64(w.keys, v.n)
	}
	w.keys = append(w.keys, v.raw...)
	w.nkeys++
}

// AddTensor appends a tensor and returns its size and its offset in the data section.
func (w *Writer) AddTensor(name string, t Type, shape ...uint64) (offset, size uint64) {
	w.tensors = appendText(w.tensors, name)
	w.tensors = order.AppendUint32(w.tensors, uint32(len(shape)))
	n := uint64(1)
	for _, d := range shape {
		w.tensors = order.AppendUint64(w.tensors, d)
		n *= d
	}
	offset, size = w.next, t.RowSize(n)
	w.tensors = order.AppendUint32(w.tensors, uint32(t))
	w.tensors = order.AppendUint64(w.tensors, offset)
	w.next += pad(size, w.alignment())
	w.ntens++
	return offset, size
}

// Padding is the number of zero bytes that follow data of this size.
func (w *Writer) Padding(size uint64) uint64 { return pad(size, w.alignment()) - size }

// DataBytes is the size of the data section.
func (w *Writer) DataBytes() uint64 { return w.next }

// WriteHeader writes the header with its padding and returns its size, the offset of
// the data section.
func (w *Writer) WriteHeader(out io.Writer) (int64, error) {
	head := append([]byte(magic), 3, 0, 0, 0)
	head = order.AppendUint64(head, w.ntens)
	head = order.AppendUint64(head, w.nkeys)
	size := uint64(len(head) + len(w.keys) + len(w.tensors))
	for _, part := range [][]byte{head, w.keys, w.tensors, make([]byte, w.Padding(size))} {
		if _, err := out.Write(part); err != nil {
			return 0, fmt.Errorf("writing the header: %w", err)
		}
	}
	return int64(size + w.Padding(size)), nil
}

func appendText(b []byte, s string) []byte {
	b = order.AppendUint64(b, uint64(len(s)))
	return append(b, s...)
}

// Values to write, by type.

// Uint8Value is a value of type uint8.
func Uint8Value(n uint8) Value { return Value{typ: ValueUint8, raw: string([]byte{n})} }

// Uint16Value is a value of type uint16.
func Uint16Value(n uint16) Value {
	return Value{typ: ValueUint16, raw: string(order.AppendUint16(nil, n))}
}

// Uint32Value is a value of type uint32.
func Uint32Value(n uint32) Value {
	return Value{typ: ValueUint32, raw: string(order.AppendUint32(nil, n))}
}

// Int32Value is a value of type int32.
func Int32Value(n int32) Value {
	return Value{typ: ValueInt32, raw: string(order.AppendUint32(nil, uint32(n)))}
}

// Uint64Value is a value of type uint64.
func Uint64Value(n uint64) Value {
	return Value{typ: ValueUint64, raw: string(order.AppendUint64(nil, n))}
}

// Int64Value is a value of type int64.
func Int64Value(n int64) Value {
	return Value{typ: ValueInt64, raw: string(order.AppendUint64(nil, uint64(n)))}
}

// Float32Value is a value of type float32.
func Float32Value(f float32) Value {
	return Value{typ: ValueFloat32, raw: string(order.AppendUint32(nil, math.Float32bits(f)))}
}

// Float64Value is a value of type float64.
func Float64Value(f float64) Value {
	return Value{typ: ValueFloat64, raw: string(order.AppendUint64(nil, math.Float64bits(f)))}
}

// BoolValue is a value of type bool.
func BoolValue(b bool) Value {
	if b {
		return Value{typ: ValueBool, raw: "\x01"}
	}
	return Value{typ: ValueBool, raw: "\x00"}
}

// StringValue is a value of type string.
func StringValue(s string) Value { return Value{typ: ValueString, raw: string(appendText(nil, s))} }

// ArrayValue is an array of values of one type; an empty one has the type given.
func ArrayValue(elem ValueType, values ...Value) Value {
	var raw []byte
	for _, v := range values {
		raw = append(raw, v.raw...)
	}
	return Value{typ: ValueArray, elem: elem, n: uint64(len(values)), raw: string(raw)}
}

// StringsValue is an array of strings.
func StringsValue(s []string) Value {
	var raw []byte
	for _, e := range s {
		raw = appendText(raw, e)
	}
	return Value{typ: ValueArray, elem: ValueString, n: uint64(len(s)), raw: string(raw)}
}

// Float32sValue is an array of float32.
func Float32sValue(f []float32) Value {
	var raw []byte
	for _, e := range f {
		raw = order.AppendUint32(raw, math.Float32bits(e))
	}
	return Value{typ: ValueArray, elem: ValueFloat32, n: uint64(len(f)), raw: string(raw)}
}

// Int32sValue is an array of int32.
func Int32sValue(n []int32) Value {
	var raw []byte
	for _, e := range n {
		raw = order.AppendUint32(raw, uint32(e))
	}
	return Value{typ: ValueArray, elem: ValueInt32, n: uint64(len(n)), raw: string(raw)}
}
