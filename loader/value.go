package loader

import (
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"
)

// ValueType is the type of a metadata value: enum gguf_type.
type ValueType uint32

// Types of metadata values.
const (
	ValueUint8   ValueType = 0
	ValueInt8    ValueType = 1
	ValueUint16  ValueType = 2
	ValueInt16   ValueType = 3
	ValueUint32  ValueType = 4
	ValueInt32   ValueType = 5
	ValueFloat32 ValueType = 6
	ValueBool    ValueType = 7
	ValueString  ValueType = 8
	ValueArray   ValueType = 9
	ValueUint64  ValueType = 10
	ValueInt64   ValueType = 11
	ValueFloat64 ValueType = 12
)

var valueTypes = [...]struct {
	name string
	size int // bytes; 0: varies
}{{"uint8", 1}, {"int8", 1}, {"uint16", 2}, {"int16", 2}, {"uint32", 4}, {"int32", 4}, {"float32", 4}, {"bool", 1}, {"string", 0}, {"array", 0}, {"uint64", 8}, {"int64", 8}, {"float64", 8}}

// Valid tells whether the type exists.
func (t ValueType) Valid() bool { return int(t) < len(valueTypes) }

func (t ValueType) String() string {
	if !t.Valid() {
		return fmt.Sprintf("value type %d", uint32(t))
	}
	return valueTypes[t].name
}

// Value is a metadata value: a view into the file's header. The zero Value has no
// type that a file can have. Values are immutable and safe for concurrent use.
type Value struct {
	typ  ValueType
	elem ValueType // of an array
	n    uint64    // elements of an array
	raw  string    // as in the file: little-endian; strings with their lengths
}

// Type is the value's type.
func (v Value) Type() ValueType { return v.typ }

// ElemType is the type of an array's elements.
func (v Value) ElemType() ValueType { return v.elem }

// Len is the number of an array's elements, 0 for other values.
func (v Value) Len() int {
	if v.typ != ValueArray {
		return 0
	}
	return int(v.n)
}

// Raw is the value as it is in the file, without its type.
func (v Value) Raw() string { return v.raw }

// Uint returns an integer that is not negative.
func (v Value) Uint() (uint64, bool) {
	if n, ok := v.Int(); ok {
		return uint64(n), n >= 0
	}
	if v.typ == ValueUint64 {
		return le64(v.raw), true
	}
	return 0, false
}

// Int returns an integer of up to 63 bits.
func (v Value) Int() (int64, bool) {
	switch v.typ {
	case ValueUint8:
		return int64(v.raw[0]), true
	case ValueInt8:
		return int64(int8(v.raw[0])), true
	case ValueUint16:
		return int64(le16(v.raw)), true
	case ValueInt16:
		return int64(int16(le16(v.raw))), true
	case ValueUint32:
		return int64(le32(v.raw)), true
	case ValueInt32:
		return int64(int32(le32(v.raw))), true
	case ValueUint64:
		n := le64(v.raw)
		return int64(n), n <= math.MaxInt64
	case ValueInt64:
		return int64(le64(v.raw)), true
	}
	return 0, false
}

// Float returns a float32 or float64.
func (v Value) Float() (float64, bool) {
	switch v.typ {
	case ValueFloat32:
		return float64(math.Float32frombits(le32(v.raw))), true
	case ValueFloat64:
		return math.Float64frombits(le64(v.raw)), true
	}
	return 0, false
}

// Bool returns a bool.
func (v Value) Bool() (value, ok bool) {
	if v.typ != ValueBool {
		return false, false
	}
	return v.raw[0] != 0, true
}

// Str returns a string.
func (v Value) Str() (string, bool) {
	if v.typ != ValueString {
		return "", false
	}
	return v.raw[8:], true
}

// Elems yields the elements of an array, in order.
func (v Value) Elems() iter.Seq2[int, Value] {
	return func(yield func(int, Value) bool) {
		if v.typ != ValueArray {
			return
		}
		raw := v.raw
		for i := range int(v.n) {
			n := valueTypes[v.elem].size
			if n == 0 {
				n = 8 + int(le64(raw))
			}
			if !yield(i, Value{typ: v.elem, raw: raw[:n]}) {
				return
			}
			raw = raw[n:]
		}
	}
}

// At returns element i of an array; for strings it takes time in proportion to i.
func (v Value) At(i int) (Value, bool) {
	if i < 0 || i >= v.Len() {
		return Value{}, false
	}
	if n := valueTypes[v.elem].size; n > 0 {
		return Value{typ: v.elem, raw: v.raw[i*n : (i+1)*n]}, true
	}
	for j, e := range v.Elems() {
		if j == i {
			return e, true
		}
	}
	return Value{}, false
}

// String is the value for people: arrays are cut short, text is not quoted.
func (v Value) String() string {
	if s, ok := v.Str(); ok {
		return s
	}
	if b, ok := v.Bool(); ok {
		return strconv.FormatBool(b)
	}
	if f, ok := v.Float(); ok {
		bits := 64
		if v.typ == ValueFloat32 {
			bits = 32
		}
		return strconv.FormatFloat(f, 'g', -1, bits)
	}
	if n, ok := v.Int(); ok {
		return strconv.FormatInt(n, 10)
	}
	if n, ok := v.Uint(); ok {
		return strconv.FormatUint(n, 10)
	}
	if v.typ != ValueArray {
		return "none"
	}
	const shown = 6
	var b strings.Builder
	b.WriteByte('[')
	for i, e := range v.Elems() {
		if i > 0 {
			b.WriteString(", ")
		}
		if i == shown {
			fmt.Fprintf(&b, "... %d in all", v.n)
			break
		}
		if s, ok := e.Str(); ok {
			b.WriteString(quote(s))
		} else {
			b.WriteString(e.String())
		}
	}
	b.WriteByte(']')
	return b.String()
}

func le16(s string) uint16 { return uint16(s[0]) | uint16(s[1])<<8 }
func le32(s string) uint32 { return uint32(le16(s)) | uint32(le16(s[2:]))<<16 }
func le64(s string) uint64 { return uint64(le32(s)) | uint64(le32(s[4:]))<<32 }

var order = binary.LittleEndian
