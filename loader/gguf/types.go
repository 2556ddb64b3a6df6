package gguf

import (
	"fmt"
	"math/bits"
	"strings"

	"github.com/seed7adf6694/infer/internal/words"
)

// Type is the element type of a tensor, numbered as in GGUF files.
type Type uint32

// Tensor types of GGUF files. The gaps are types that were removed. Which of them an engine can
// load, package check knows.
const (
	TypeF32     Type = 0
	TypeF16     Type = 1
	TypeQ4_0    Type = 2
	TypeQ4_1    Type = 3
	TypeQ5_0    Type = 6
	TypeQ5_1    Type = 7
	TypeQ8_0    Type = 8
	TypeQ8_1    Type = 9
	TypeQ2_K    Type = 10
	TypeQ3_K    Type = 11
	TypeQ4_K    Type = 12
	TypeQ5_K    Type = 13
	TypeQ6_K    Type = 14
	TypeQ8_K    Type = 15
	TypeIQ2_XXS Type = 16
	TypeIQ2_XS  Type = 17
	TypeIQ3_XXS Type = 18
	TypeIQ1_S   Type = 19
	TypeIQ4_NL  Type = 20
	TypeIQ3_S   Type = 21
	TypeIQ2_S   Type = 22
	TypeIQ4_XS  Type = 23
	TypeI8      Type = 24
	TypeI16     Type = 25
	TypeI32     Type = 26
	TypeI64     Type = 27
	TypeF64     Type = 28
	TypeIQ1_M   Type = 29
	TypeBF16    Type = 30
	TypeTQ1_0   Type = 34
	TypeTQ2_0   Type = 35
	TypeMXFP4   Type = 39
	TypeNVFP4   Type = 40 // from here: llama.cpp of 2026
	TypeQ1_0    Type = 41
	TypeQ2_0    Type = 42

	typeCount = 43
)

// typeTraits describe the layout of a type: block elements take bytes bytes.
type typeTraits struct {
	name         string
	block, bytes uint64
}

var types = [typeCount]typeTraits{
	TypeF32:     {"f32", 1, 4},
	TypeF16:     {"f16", 1, 2},
	TypeQ4_0:    {"q4_0", 32, 18},
	TypeQ4_1:    {"q4_1", 32, 20},
	TypeQ5_0:    {"q5_0", 32, 22},
	TypeQ5_1:    {"q5_1", 32, 24},
	TypeQ8_0:    {"q8_0", 32, 34},
	TypeQ8_1:    {"q8_1", 32, 36},
	TypeQ2_K:    {"q2_K", 256, 84},
	TypeQ3_K:    {"q3_K", 256, 110},
	TypeQ4_K:    {"q4_K", 256, 144},
	TypeQ5_K:    {"q5_K", 256, 176},
	TypeQ6_K:    {"q6_K", 256, 210},
	TypeQ8_K:    {"q8_K", 256, 292},
	TypeIQ2_XXS: {"iq2_xxs", 256, 66},
	TypeIQ2_XS:  {"iq2_xs", 256, 74},
	TypeIQ3_XXS: {"iq3_xxs", 256, 98},
	TypeIQ1_S:   {"iq1_s", 256, 50},
	TypeIQ4_NL:  {"iq4_nl", 32, 18},
	TypeIQ3_S:   {"iq3_s", 256, 110},
	TypeIQ2_S:   {"iq2_s", 256, 82},
	TypeIQ4_XS:  {"iq4_xs", 256, 136},
	TypeI8:      {"i8", 1, 1},
	TypeI16:     {"i16", 1, 2},
	TypeI32:     {"i32", 1, 4},
	TypeI64:     {"i64", 1, 8},
	TypeF64:     {"f64", 1, 8},
	TypeIQ1_M:   {"iq1_m", 256, 56},
	TypeBF16:    {"bf16", 1, 2},
	TypeTQ1_0:   {"tq1_0", 256, 54},
	TypeTQ2_0:   {"tq2_0", 256, 66},
	TypeMXFP4:   {"mxfp4", 32, 17},
	TypeNVFP4:   {"nvfp4", 64, 36},
	TypeQ1_0:    {"q1_0", 128, 18},
	TypeQ2_0:    {"q2_0", 64, 18},
}

// Valid reports whether the type is one of the constants.
func (t Type) Valid() bool { return t < typeCount && types[t].block != 0 }

// String returns ggml's name of the type, such as "q4_0" or "q4_K", and "type 4" for a type that is
// not [Type.Valid].
func (t Type) String() string {
	if !t.Valid() {
		return fmt.Sprintf("type %d", uint32(t))
	}
	return types[t].name
}

// BlockSize returns how many elements are encoded together, 1 for plain numbers; the length of a row
// is a multiple of it. It is 0 for an invalid type.
func (t Type) BlockSize() uint64 {
	if !t.Valid() {
		return 0
	}
	return types[t].block
}

// BlockBytes returns the size in bytes of [Type.BlockSize] elements, 0 for an
// invalid type.
func (t Type) BlockBytes() uint64 {
	if !t.Valid() {
		return 0
	}
	return types[t].bytes
}

// RowSize returns the size in bytes of n elements. It is 0 if the type is
// invalid, if n is no multiple of the block size, or if the size does not fit.
func (t Type) RowSize(n uint64) uint64 {
	if !t.Valid() || n%types[t].block != 0 {
		return 0
	}
	over, size := bits.Mul64(n/types[t].block, types[t].bytes)
	if over != 0 {
		return 0
	}
	return size
}

// ParseType returns the type with a name; case does not matter.
func ParseType(name string) (Type, error) {
	for i := range types {
		if types[i].block != 0 && strings.EqualFold(types[i].name, name) {
			return Type(i), nil
		}
	}
	return 0, fmt.Errorf("unknown tensor type %s: use a name such as f16, q8_0 or q4_K", words.Literal(name))
}
