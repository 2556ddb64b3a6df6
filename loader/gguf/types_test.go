package gguf_test

import (
	"math"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/loader/gguf"
)

func TestTypesAreFoundByTheirNames(t *testing.T) {
	n := 0
	for i := range gguf.Type(100) {
		if !i.Valid() {
			if i.BlockSize() != 0 || i.BlockBytes() != 0 || i.RowSize(256) != 0 || !strings.HasPrefix(i.String(), "type ") {
				t.Errorf("%v has a layout", i)
			}
			continue
		}
		n++
		for _, name := range []string{i.String(), strings.ToUpper(i.String())} {
			if got, err := gguf.ParseType(name); err != nil || got != i {
				t.Errorf("%s is %v, %v", name, got, err)
			}
		}
	}
	if n != 35 {
		t.Errorf("%d types, want 35", n)
	}
	for _, name := range []string{"", "q4", "type 4", "q4_2", "q4_K_M"} {
		if got, err := gguf.ParseType(name); err == nil {
			t.Errorf("%q is %v", name, got)
		}
	}
}

func TestSizesOfRows(t *testing.T) {
	for _, tt := range []struct {
		typ     gguf.Type
		n, want uint64
	}{
		{gguf.TypeF32, 0, 0}, {gguf.TypeF32, 3, 12}, {gguf.TypeF16, 3, 6}, {gguf.TypeI8, 3, 3},
		{gguf.TypeQ4_0, 64, 36}, {gguf.TypeQ4_0, 65, 0}, {gguf.TypeQ8_0, 32, 34}, {gguf.TypeMXFP4, 32, 17},
		{gguf.TypeNVFP4, 128, 72}, {gguf.TypeQ1_0, 256, 36}, {gguf.TypeQ2_0, 64, 18}, {gguf.TypeQ2_0, 32, 0},
		{gguf.TypeQ4_K, 512, 288}, {gguf.TypeQ4_K, 128, 0}, {gguf.TypeQ6_K, 256, 210},
		{gguf.TypeF32, math.MaxUint64, 0}, {gguf.TypeF64, 1 << 61, 0}, {4, 32, 0},
	} {
		if got := tt.typ.RowSize(tt.n); got != tt.want {
			t.Errorf("%d elements of %v take %d bytes, want %d", tt.n, tt.typ, got, tt.want)
		}
	}
}

func TestNamesOfValueTypes(t *testing.T) {
	if s := gguf.ValueUint32.String(); s != "uint32" {
		t.Errorf("%q", s)
	}
	if s := gguf.ValueType(13).String(); s != "value type 13" || gguf.ValueType(13).Valid() {
		t.Errorf("%q", s)
	}
}
