package ggufcases

import (
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
)

// Structure iterates over single files that are damaged or no GGUF files.
func Structure() iter.Seq2[string, Case] {
	return each(slices.Concat(headerCases(), keyCases(), arrayCases(), alignmentCases(), tensorCases(), offsetCases()))
}

// raw returns a case of one file from its bytes.
func raw(name, want string, pieces ...[]byte) named {
	return named{name, func() Case { return Case{Bytes: Join(pieces...), Want: want} }}
}

// file returns a case of one file from its description.
func file(name, want string, f File) named {
	return named{name, func() Case { return Case{Bytes: f.Bytes(), Want: want} }}
}

const huge = uint64(1) << 60

func headerCases() []named {
	var cases []named
	whole := File{}.Bytes()
	for n := range len(whole) {
		cases = append(cases, raw(fmt.Sprintf("a file of %d bytes", n), "file", whole[:n]).short())
	}
	counts := func(name string, tensors, keys uint64, want string) named {
		return raw(name, want, []byte("GGUF"), U32(3), U64(tensors), U64(keys), make([]byte, 200))
	}
	with := func(name, magic string, version uint32, want string) named {
		return raw(name, want, []byte(magic), U32(version), U64(0), U64(0))
	}
	return append(cases,
		with("a wrong magic", "ABCD", 3, "magic"),
		with("a magic in lower case", "gguf", 3, "magic"),
		with("a magic of zeros", "\x00\x00\x00\x00", 3, "magic"),
		with("a byte-swapped magic", "FUGG", 3, "byte-swapped").at(`magic`, `"FUGG"`),
		with("the magic of an older format", "lmgg", 1, "magic"),
		with("version 0", "GGUF", 0, "version"),
		with("version 1", "GGUF", 1, "version"),
		with("version 4", "GGUF", 4, "version"),
		with("version 4294967295", "GGUF", math.MaxUint32, "version"),
		with("a big-endian file of version 2", "GGUF", 2<<24, "big-endian").at(`version`, `33554432`),
		with("a big-endian file of version 3", "GGUF", 3<<24, "big-endian").at(`version`, `50331648`),
		counts("a tensor count of -1", math.MaxUint64, 0, "tensor count").short(),
		counts("a tensor count of 2^60", huge, 0, "tensor count").short(),
		counts("a tensor count beyond the file", 7, 0, "tensor count").short(),
		counts("a key count of -1", 0, math.MaxUint64, "key count").short(),
		counts("a key count of 2^60", 0, huge, "key count").short(),
		counts("a key count beyond the file", 0, 15, "key count").short(),
		counts("counts that the file has room for one by one only", 5, 10, "counts").short(),
	)
}

func keyCases() []named {
	ok := func(name string) []byte { return Key(name, Uint8, []byte{1}) }
	key := func(name, want string, bytes ...[]byte) named {
		return file(name, want, File{Keys: [][]byte{Join(bytes...)}})
	}
	cases := []named{
		key("a key length of -1", "key 0", U64(math.MaxUint64), make([]byte, 40)).short(),
		key("a key length of 2^60", "key 0", U64(huge), make([]byte, 40)).short(),
		key("a key length of 2^31", "key 0", U64(1<<31), make([]byte, 40)).short(),
		key("a key length one past the end", "key 0", U64(41), make([]byte, 40)).short(),
		key("an empty key", "key 0", Key("", Uint32, U32(1))),
		key("a key with a NUL", "NUL", Key("a\x00b", Uint32, U32(1))).at(`key 0`, `"a\x00b"`),
		key("a key that is a NUL", "NUL", Key("\x00", Uint32, U32(1))).at(`key 0`, `"\x00"`),
		key("a key of 65536 bytes", "65535", Key(strings.Repeat("k", 1<<16), Uint32, U32(1))).at(`key 0`, `65536 bytes long`),
		file("a key that comes twice", "same name", File{Keys: [][]byte{ok("a.b"), ok("a.c"), ok("a.b")}}).at(`key 2`, `"a.b"`),
		file("a key that comes twice with another type", "same name", File{Keys: [][]byte{ok("a.b"), Key("a.b", String, Text("x"))}}).at(`key 1`, `"a.b"`),
		key("a value of type 13", "value type 13", Key("a.b", 13, make([]byte, 40))).at(`key "a.b"`, `of value type 13`),
		key("a value of type 4294967295", "value type", Key("a.b", math.MaxUint32, make([]byte, 40))).at(`key "a.b"`, `of value type 4294967295`),
		key("a bool of 2", "bool", Key("a.b", Bool, []byte{2})).at(`key "a.b"`, `2`),
		key("a bool of 255", "bool", Key("a.b", Bool, []byte{255})).at(`key "a.b"`, `255`),
		key("a string length of -1", "a.b", Key("a.b", String, U64(math.MaxUint64), make([]byte, 40))).short(),
		key("a string length of -8", "a.b", Key("a.b", String, U64(math.MaxUint64-7), make([]byte, 40))).short(),
		key("a string length of 2^60", "a.b", Key("a.b", String, U64(huge), make([]byte, 40))).short(),
		key("a string length one past the end", "a.b", Key("a.b", String, U64(41), make([]byte, 40))).short(),
		key("a number cut short", "a.b", Key("a.b", Uint64, make([]byte, 7))).short(),
		key("a key without a type", "key", Text("general.architecture")).short(),
		{"2^20 keys of which the last comes twice", func() Case {
			return Case{Bytes: Join(ManyKeys(1<<20, 1), ok(ManyKeysName(0))), Want: "same name", Field: "key 1048576", Value: `"k0000000"`}
		}},
	}
	return cases
}

// ManyKeysName returns the name of the i-th key of [ManyKeys].
func ManyKeysName(i int) string { return fmt.Sprintf("k%07x", i) }

// ManyKeys returns the beginning of a file with n keys whose header announces more keys beyond those.
func ManyKeys(n, more int) []byte {
	b := make([]byte, 0, 24+n*21)
	b = append(b, File{NKeys: uint64(n + more)}.Header()...)
	for i := range n {
		b = append(b, Key(ManyKeysName(i), Uint8, []byte{1})...)
	}
	return b
}

func arrayCases() []named {
	array := func(name, want string, elem uint32, n uint64, elements ...[]byte) named {
		return file(name, want, File{Keys: [][]byte{Key("a.b", Array, Elements(elem, n, elements...))}})
	}
	return []named{
		array("an array of arrays", "array of arrays", Array, 1, Elements(Uint8, 1, []byte{1})).at(`key "a.b"`, `an array of arrays`),
		array("an empty array of arrays", "array of arrays", Array, 0).at(`key "a.b"`, `an array of arrays`),
		array("an array of values of type 13", "value type 13", 13, 1, make([]byte, 40)).at(`key "a.b"`, `an array of value type 13`),
		array("an empty array of values of type 77", "value type 77", 77, 0, make([]byte, 40)).at(`key "a.b"`, `an array of value type 77`),
		array("an array of -1 bytes", "a.b", Uint8, math.MaxUint64, make([]byte, 40)).short(),
		array("an array of 2^60 bytes", "a.b", Uint8, huge, make([]byte, 40)).short(),
		array("an array of 2^60 strings", "a.b", String, huge, make([]byte, 40)).short(),
		array("an array of -1 strings", "a.b", String, math.MaxUint64, make([]byte, 40)).short(),
		array("an array whose size wraps to 0", "a.b", Uint64, 1<<61, make([]byte, 40)).short(),
		array("an array whose size wraps to 8", "a.b", Uint64, 1<<61+1, make([]byte, 40)).short(),
		array("an array one element past the end", "a.b", Uint32, 11, make([]byte, 40)).short(),
		array("an array of bools with a 2", "bool", Bool, 3, []byte{0, 1, 2}).at(`key "a.b"`, `2 in element 2`),
		array("an array of strings past the end", "a.b", String, 6, make([]byte, 40)).short(),
		array("an array of strings whose last is cut short", "a.b", String, 2, Text("one"), Text("two")[:10]).short(),
		array("an array with a string length of -1", "a.b", String, 2, Text("one"), U64(math.MaxUint64), make([]byte, 40)).short(),
		array("an array with a string length of -8", "a.b", String, 2, Text("one"), U64(math.MaxUint64-7), make([]byte, 40)).short(),
		array("an array with a string length of 2^60", "a.b", String, 2, Text("one"), U64(huge), make([]byte, 40)).short(),
	}
}

func alignmentCases() []named {
	const want = "general.alignment"
	key := func(name string, typ uint32, value ...[]byte) named {
		return file(name, want, File{
			Keys:    [][]byte{Key("general.alignment", typ, value...)},
			Tensors: []Tensor{{Name: "a", Dims: []uint64{8}}},
			Data:    32,
		})
	}
	cases := []named{
		key("an alignment of type uint64", Uint64, U64(32)),
		key("an alignment of type int32", Int32, U32(32)),
		key("an alignment of type uint8", Uint8, []byte{32}),
		key("an alignment that is a string", String, Text("32")),
		key("an alignment that is an array", Array, Elements(Uint32, 1, U32(32))),
		key("an alignment that is an empty array", Array, Elements(Uint32, 0)),
	}
	for _, n := range []uint32{0, 3, 13, 33, 48, 1<<31 + 1, 1 << 31, math.MaxUint32} {
		cases = append(cases, key(fmt.Sprintf("an alignment of %d", n), Uint32, U32(n)))
	}
	return cases
}

func tensorCases() []named {
	tensor := func(name, want string, t Tensor) named {
		if t.Name == "" && !strings.Contains(name, "empty") {
			t.Name = "weights"
		}
		return file(name, want, File{Tensors: []Tensor{t}, Data: 4096})
	}
	dims := func(d ...uint64) []uint64 { return d }
	const minus1, most = math.MaxUint64, uint64(math.MaxInt64)
	cases := []named{
		tensor("a tensor with an empty name", "tensor 0", Tensor{Name: "", Dims: dims(8)}),
		tensor("a tensor name of 64 bytes", "63", Tensor{Name: strings.Repeat("t", 64), Dims: dims(8)}).at(`tensor 0`, `64 bytes long`),
		tensor("a tensor name of 65536 bytes", "63", Tensor{Name: strings.Repeat("t", 1<<16), Dims: dims(8)}).at(`tensor 0`, `65536 bytes long`),
		tensor("a tensor name with a NUL", "NUL", Tensor{Name: "a\x00b", Dims: dims(8)}).at(`tensor 0`, `"a\x00b"`),
		tensor("a tensor name that is a NUL", "NUL", Tensor{Name: "\x00", Dims: dims(8)}).at(`tensor 0`, `"\x00"`),
		raw("a tensor name length of -1", "tensor 0", File{NTensors: 1}.Header(), U64(minus1), make([]byte, 60)).short(),
		raw("a tensor name length of 2^60", "tensor 0", File{NTensors: 1}.Header(), U64(huge), make([]byte, 60)).short(),
		raw("a tensor name length past the end", "tensor 0", File{NTensors: 1}.Header(), U64(61), make([]byte, 60)).short(),
		file("a tensor that comes twice", "same name", File{
			Tensors: []Tensor{{Name: "a", Dims: dims(8)}, {Name: "b", Dims: dims(8), Offset: 32}, {Name: "a", Dims: dims(8), Offset: 64}},
			Data:    96,
		}).at(`tensor 2`, `"a"`),
		tensor("a tensor of 0 dimensions", "0 dimensions", Tensor{NoDims: true}).at(`tensor "weights"`, `of 0 dimensions`),
		tensor("a tensor of 5 dimensions", "5 dimensions", Tensor{Dims: dims(8, 1, 1, 1, 1)}).at(`tensor "weights"`, `of 5 dimensions`),
		tensor("a tensor of 4294967295 dimensions", "dimensions", Tensor{Dims: dims(8), NDims: math.MaxUint32}).at(`tensor "weights"`, `of 4294967295 dimensions`),
		tensor("a product of dimensions that wraps to 0", "shape", Tensor{Dims: dims(1<<32, 1<<32)}).at(`tensor "weights"`, `of shape [4294967296 4294967296]`),
		tensor("a product of dimensions that wraps to 32", "shape", Tensor{Dims: dims(1<<32+1<<27, 1<<32-1<<27, 32, 1)}).at(`tensor "weights"`, `of shape [4429185024 4160749568 32 1]`),
		tensor("a product of dimensions that is negative", "shape", Tensor{Dims: dims(1<<31, 1<<32)}).at(`tensor "weights"`, `of shape [2147483648 4294967296]`),
		tensor("a product of three dimensions that wraps", "shape", Tensor{Dims: dims(1<<21, 1<<21, 1<<22)}).at(`tensor "weights"`, `of shape [2097152 2097152 4194304]`),
		tensor("a product of four dimensions that wraps", "shape", Tensor{Dims: dims(1<<16, 1<<16, 1<<16, 1<<16)}).at(`tensor "weights"`, `of shape [65536 65536 65536 65536]`),
		tensor("a size in bytes that wraps to 0", "shape", Tensor{Dims: dims(1 << 62)}).at(`tensor "weights"`, `of f32 and shape [4611686018427387904]`),
		tensor("a size in bytes that wraps to 16", "shape", Tensor{Dims: dims(1<<62 + 4)}).at(`tensor "weights"`, `of f32 and shape [4611686018427387908]`),
		tensor("a row size that wraps before it is divided", "shape", Tensor{Dims: dims(1<<62 - 1<<10), Type: 15}).at(`tensor "weights"`, `of q8_K and shape [4611686018427386880]`),
		tensor("a tensor larger than the file", "shape", Tensor{Dims: dims(1 << 20)}).at(`tensor "weights"`, `of f32 and shape [1048576]`).short(),
	}
	for i := range 4 {
		for _, n := range []struct {
			name string
			n    uint64
		}{{"0", 0}, {"-1", minus1}, {"2^63-1", most}, {"-2^63", 1 << 63}} {
			d := dims(1, 1, 1, 1)
			d[i] = n.n
			cases = append(cases, tensor(fmt.Sprintf("dimension %d of %s", i, n.name), "weights", Tensor{Dims: d}))
		}
	}
	for _, typ := range []uint32{4, 5, 31, 32, 33, 36, 37, 38, 43, 44, 255, 1 << 31, math.MaxUint32} {
		cases = append(cases, tensor(fmt.Sprintf("a tensor of type %d", typ), "type", Tensor{Dims: dims(256), Type: typ}).at(`tensor "weights"`, fmt.Sprintf("of type %d and shape [256]", typ)))
	}
	for _, row := range []struct {
		typ  uint32
		name string
		n    uint64
	}{{2, "q4_0", 31}, {8, "q8_0", 33}, {12, "q4_K", 32}, {14, "q6_K", 255}, {20, "iq4_nl", 1}, {39, "mxfp4", 16}} {
		cases = append(cases, tensor(fmt.Sprintf("a row of %d in blocks of type %d", row.n, row.typ), "block", Tensor{Dims: dims(row.n, 32), Type: row.typ}).
			at(`tensor "weights"`, fmt.Sprintf("of %s and shape [%d 32]", row.name, row.n)))
	}
	slices.SortFunc(cases, func(a, b named) int { return strings.Compare(a.name, b.name) })
	return cases
}

func offsetCases() []named {
	// Two tensors of 40 bytes, padded to 64 bytes each.
	two := func(name, want string, first, second, data uint64) named {
		return file(name, want, File{
			Tensors: []Tensor{{Name: "a", Dims: []uint64{10}, Offset: first}, {Name: "b", Dims: []uint64{10}, Offset: second}},
			Data:    data,
		})
	}
	header := File{Tensors: []Tensor{{Name: "a", Dims: []uint64{10}}}}
	return []named{
		two("an offset of -1", "file ends", math.MaxUint64, 64, 1024).at(`tensor "a"`, `at offset 18446744073709551615 (-1)`),
		two("an offset of -32", "file ends", math.MaxUint64-31, 64, 1024).at(`tensor "a"`, `at offset 18446744073709551584 (-32)`),
		two("an offset of 2^63", "file ends", 1<<63, 64, 1024).at(`tensor "a"`, `at offset 9223372036854775808 (-9223372036854775808)`),
		two("an offset that is not aligned", "multiple", 0, 40, 1024).at(`tensor "b"`, `at offset 40`),
		two("a first offset that is not aligned", "multiple", 1, 64, 1024).at(`tensor "a"`, `at offset 1`),
		two("a tensor that overlaps the one before", "overlaps", 0, 32, 1024).at(`tensor "b"`, `at offset 32`),
		two("two tensors in one place", "overlaps", 0, 0, 1024).at(`tensor "b"`, `at offset 0`),
		two("a gap between two tensors", "gap", 0, 96, 1024).at(`tensor "b"`, `at offset 96`),
		two("a gap before the first tensor", "gap", 32, 96, 1024).at(`tensor "a"`, `at offset 32`),
		two("descending offsets", "gap", 64, 0, 1024).at(`tensor "a"`, `at offset 64`),
		two("an offset past the end", "file ends", 0, 1<<20, 1024).at(`tensor "b"`, `at offset 1048576`),
		two("an offset at the end", "file ends", 0, 64, 64).at(`tensor "b"`, `40 bytes long`).short(),
		two("a last tensor that is one byte short", "file ends", 0, 64, 64+39).at(`tensor "b"`, `40 bytes long`).short(),
		two("a first tensor that is one byte short", "file ends", 0, 64, 39).at(`tensor "a"`, `40 bytes long`).short(),
		two("a file without its data", "file ends", 0, 64, 1).at(`tensor "a"`, `40 bytes long`).short(),
		raw("a header that ends the file", "file ends", header.Header()).at(`tensor "a"`, `40 bytes long`).short(),
		two("an offset that wraps with the size", "file ends", 0, math.MaxUint64-63, 1024).at(`tensor "b"`, `at offset 18446744073709551552 (-64)`),
	}
}
