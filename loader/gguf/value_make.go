package gguf

import "math"

// Uint8Value returns a value of type uint8.
func Uint8Value(n uint8) Value { return Value{typ: ValueUint8, data: []byte{n}} }

// Int8Value returns a value of type int8.
func Int8Value(n int8) Value { return Value{typ: ValueInt8, data: []byte{byte(n)}} }

// Uint16Value returns a value of type uint16.
func Uint16Value(n uint16) Value { return Value{typ: ValueUint16, data: order.AppendUint16(nil, n)} }

// Int16Value returns a value of type int16.
func Int16Value(n int16) Value {
	return Value{typ: ValueInt16, data: order.AppendUint16(nil, uint16(n))}
}

// Uint32Value returns a value of type uint32.
func Uint32Value(n uint32) Value { return Value{typ: ValueUint32, data: order.AppendUint32(nil, n)} }

// Int32Value returns a value of type int32.
func Int32Value(n int32) Value {
	return Value{typ: ValueInt32, data: order.AppendUint32(nil, uint32(n))}
}

// Uint64Value returns a value of type uint64.
func Uint64Value(n uint64) Value { return Value{typ: ValueUint64, data: order.AppendUint64(nil, n)} }

// Int64Value returns a value of type int64.
func Int64Value(n int64) Value {
	return Value{typ: ValueInt64, data: order.AppendUint64(nil, uint64(n))}
}

// Float32Value returns a value of type float32.
func Float32Value(f float32) Value {
	return Value{typ: ValueFloat32, data: order.AppendUint32(nil, math.Float32bits(f))}
}

// Float64Value returns a value of type float64.
func Float64Value(f float64) Value {
	return Value{typ: ValueFloat64, data: order.AppendUint64(nil, math.Float64bits(f))}
}

// BoolValue returns a value of type bool.
func BoolValue(b bool) Value {
	if b {
		return Value{typ: ValueBool, data: []byte{1}}
	}
	return Value{typ: ValueBool, data: []byte{0}}
}

// StringValue returns a value of type string.
func StringValue(s string) Value { return Value{typ: ValueString, data: []byte(s)} }

// StringsValue returns an array of strings.
func StringsValue(list []string) Value {
	size := 0
	for _, s := range list {
		size += 8 + len(s)
	}
	data := make([]byte, 0, size)
	var b stringArrayBuilder
	for _, s := range list {
		from := len(data)
		data = appendText(data, s)
		b.add(data, from, len(data))
	}
	return b.value()
}

// Float32sValue returns an array of float32.
func Float32sValue(list []float32) Value {
	data := make([]byte, 0, 4*len(list))
	for _, f := range list {
		data = order.AppendUint32(data, math.Float32bits(f))
	}
	return Value{typ: ValueArray, elem: ValueFloat32, n: len(list), data: data}
}

// Int32sValue returns an array of int32.
func Int32sValue(list []int32) Value {
	data := make([]byte, 0, 4*len(list))
	for _, n := range list {
		data = order.AppendUint32(data, uint32(n))
	}
	return Value{typ: ValueArray, elem: ValueInt32, n: len(list), data: data}
}

// ArrayValue returns an array of values, which must all be of type elem; elem must not be [ValueArray].
// Otherwise it returns the zero Value, which [Writer.Add] refuses.
func ArrayValue(elem ValueType, values ...Value) Value {
	for _, v := range values {
		if v.typ != elem {
			return Value{}
		}
	}
	switch {
	case !elem.Valid() || elem == ValueArray:
		return Value{}
	case elem == ValueString:
		list := make([]string, len(values))
		for i, v := range values {
			list[i], _ = v.Str()
		}
		return StringsValue(list)
	}
	data := make([]byte, 0, len(values)*int(valueTypes[elem].size))
	for _, v := range values {
		data = append(data, v.data...)
	}
	return Value{typ: ValueArray, elem: elem, n: len(values), data: data}
}

// appendText appends a string as in a file.
func appendText(b []byte, s string) []byte {
	b = order.AppendUint64(b, uint64(len(s)))
	return append(b, s...)
}
