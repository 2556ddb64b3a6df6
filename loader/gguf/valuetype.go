package gguf

import "fmt"

// ValueType is the type of a metadata value, numbered as in GGUF files.
type ValueType uint32

// The types of metadata values.
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

	valueTypeCount = 13
)

var valueTypes = [valueTypeCount]struct {
	name string
	size uint64 // bytes; 0: variable
}{
	ValueUint8:   {"uint8", 1},
	ValueInt8:    {"int8", 1},
	ValueUint16:  {"uint16", 2},
	ValueInt16:   {"int16", 2},
	ValueUint32:  {"uint32", 4},
	ValueInt32:   {"int32", 4},
	ValueFloat32: {"float32", 4},
	ValueBool:    {"bool", 1},
	ValueString:  {"string", 0},
	ValueArray:   {"array", 0},
	ValueUint64:  {"uint64", 8},
	ValueInt64:   {"int64", 8},
	ValueFloat64: {"float64", 8},
}

// Valid reports whether the type exists.
func (t ValueType) Valid() bool { return t < valueTypeCount }

// String returns the name of the type, such as "uint32" or "array".
func (t ValueType) String() string {
	if !t.Valid() {
		return fmt.Sprintf("value type %d", uint32(t))
	}
	return valueTypes[t].name
}
