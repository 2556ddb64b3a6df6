//go:build cgo

package values

import (
	"encoding/binary"
	"os"
	"testing"

	"github.com/seed7adf6694/infer/internal/enginetest"
	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/gguf"
)

func TestMain(m *testing.M) {
	enginetest.Use()
	os.Exit(m.Run())
}

// What is found here is what the engine finds: in each type, at each place of a block, and at no other.
func TestFiniteAgreesWithTheEngine(t *testing.T) {
	types := []gguf.Type{gguf.TypeF32, gguf.TypeF16, gguf.TypeBF16}
	for typ := range scales {
		types = append(types, typ)
	}
	for _, typ := range types {
		block := int(typ.BlockBytes())
		const blocks = 3
		for at := 0; at+2 <= blocks*block; at += 2 {
			for _, bits := range []uint16{0x7bff, 0x7c00, 0xfc01, 0x7f7f, 0x7f80, 0xff81, 0xffff} {
				b := make([]byte, blocks*block)
				binary.LittleEndian.PutUint16(b[at:], bits)
				want, err := llama.ValidRows(llama.TensorType(typ), b)
				if err != nil {
					t.Fatal(typ, err)
				}
				if got, known := finite(typ, b); !known || got != want {
					t.Fatalf("%s: %#x at byte %d: valid %t, known %t; the engine says %t", typ, bits, at, got, known, want)
				}
			}
		}
	}
	if _, known := finite(gguf.TypeMXFP4, make([]byte, 17)); known {
		t.Error("a type that is the engine's to check")
	}
}
