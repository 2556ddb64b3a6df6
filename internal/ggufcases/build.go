package ggufcases

import "encoding/binary"

// Numbers of value types in GGUF files.
const (
	Uint8 uint32 = iota
	Int8
	Uint16
	Int16
	Uint32
	Int32
	Float32
	Bool
	String
	Array
	Uint64
	Int64
	Float64
)

// U16, U32 and U64 return a number in the encoding of GGUF files.
func U16(n uint16) []byte { return binary.LittleEndian.AppendUint16(nil, n) }

// U32 is like [U16].
func U32(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }

// U64 is like [U16].
func U64(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }

// Text returns a string in the encoding of GGUF files.
func Text(s string) []byte { return append(U64(uint64(len(s))), s...) }

// Join concatenates byte slices.
func Join(parts ...[]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// Key returns a key with a value of a type; the value's bytes are concatenated.
func Key(name string, typ uint32, value ...[]byte) []byte {
	return Join(Text(name), U32(typ), Join(value...))
}

// Elements returns the value of a key of type [Array] with n elements of a type; their bytes are
// concatenated.
func Elements(elem uint32, n uint64, elements ...[]byte) []byte {
	return Join(U32(elem), U64(n), Join(elements...))
}

// Tensor is a tensor's entry in a header. It may be wrong.
type Tensor struct {
	Name   string
	Dims   []uint64
	NDims  uint32 // written instead of len(Dims), if not 0
	NoDims bool   // write 0 instead of len(Dims)
	Type   uint32
	Offset uint64
}

func (t Tensor) bytes() []byte {
	n := uint32(len(t.Dims))
	if t.NDims != 0 || t.NoDims {
		n = t.NDims
	}
	b := Join(Text(t.Name), U32(n))
	for _, d := range t.Dims {
		b = append(b, U64(d)...)
	}
	return Join(b, U32(t.Type), U64(t.Offset))
}

// File describes a file. [File.Bytes] checks nothing.
type File struct {
	Version   uint32   // 0 means 3
	Keys      [][]byte // see [Key]
	Tensors   []Tensor
	Data      uint64 // bytes of the data section
	Alignment uint64 // of the data section; 0 means 32
	NKeys     uint64 // written instead of len(Keys), if not 0
	NTensors  uint64 // written instead of len(Tensors), if not 0
}

// Header returns the header without its padding.
func (f File) Header() []byte {
	version, keys, tensors := f.Version, f.NKeys, f.NTensors
	if version == 0 {
		version = 3
	}
	if keys == 0 {
		keys = uint64(len(f.Keys))
	}
	if tensors == 0 {
		tensors = uint64(len(f.Tensors))
	}
	b := Join([]byte("GGUF"), U32(version), U64(tensors), U64(keys))
	for _, k := range f.Keys {
		b = append(b, k...)
	}
	for _, t := range f.Tensors {
		b = append(b, t.bytes()...)
	}
	return b
}

// Bytes returns the whole file. Its data bytes are 1, 2, 3, …
func (f File) Bytes() []byte {
	b := f.Header()
	if f.Data == 0 {
		return b
	}
	align := f.Alignment
	if align == 0 {
		align = 32
	}
	for uint64(len(b))%align != 0 {
		b = append(b, 0)
	}
	for i := range f.Data {
		b = append(b, byte(i+1))
	}
	return b
}

// Small returns a valid file with a key of each type and three tensors. It ends with the last byte of
// the last tensor, and is no model that an engine could load.
func Small() []byte {
	return File{
		Keys: [][]byte{
			Key("general.architecture", String, Text("llama")),
			Key("small.uint8", Uint8, []byte{200}),
			Key("small.int8", Int8, []byte{0xff}),
			Key("small.uint16", Uint16, U16(60000)),
			Key("small.int16", Int16, U16(0xfffe)),
			Key("small.uint32", Uint32, U32(4000000000)),
			Key("small.int32", Int32, U32(0xfffffffd)),
			Key("small.float32", Float32, U32(0x3fc00000)),
			Key("small.bool", Bool, []byte{1}),
			Key("small.string", String, Text("zwölf")),
			Key("small.uint64", Uint64, U64(1<<63)),
			Key("small.int64", Int64, U64(1<<64-4)),
			Key("small.float64", Float64, U64(0x4002000000000000)),
			Key("small.numbers", Array, Elements(Int32, 3, U32(1), U32(2), U32(3))),
			Key("small.bools", Array, Elements(Bool, 2, []byte{0, 1})),
			Key("small.strings", Array, Elements(String, 3, Text("a"), Text(""), Text("ccc"))),
			Key("small.nothing", Array, Elements(String, 0)),
		},
		Tensors: []Tensor{
			{Name: "f32", Dims: []uint64{5}, Type: 0},
			{Name: "q4_0", Dims: []uint64{32, 2}, Type: 2, Offset: 32},
			{Name: "f16", Dims: []uint64{2, 1, 3, 1}, Type: 1, Offset: 96},
		},
		Data: 96 + 12,
	}.Bytes()
}
