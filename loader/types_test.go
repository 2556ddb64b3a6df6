package loader_test

import (
	"math"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/loader"
)

func TestTypesAreFoundByTheirNames(t *testing.T) {
	n := 0
	for i := range loader.Type(100) {
		if !i.Valid() {
			if i.BlockSize() != 0 || i.BlockBytes() != 0 || i.RowSize(256) != 0 || !strings.HasPrefix(i.String(), "type ") {
				t.Errorf("%v has a layout", i)
			}
			continue
		}
		n++
		for _, name := range []string{i.String(), strings.ToUpper(i.String())} {
			if got, err := loader.ParseType(name); err != nil || got != i {
				t.Errorf("%s is %v, %v", name, got, err)
			}
		}
	}
	if n != 32 {
		t.Errorf("%d types, want 32", n)
	}
	for _, name := range []string{"", "q4", "type 4", "q4_2", "q4_K_M"} {
		if got, err := loader.ParseType(name); err == nil {
			t.Errorf("%q is %v", name, got)
		}
	}
}

func TestSizesOfRows(t *testing.T) {
	for _, tt := range []struct {
		typ     loader.Type
		n, want uint64
	}{
		{loader.TypeF32, 0, 0}, {loader.TypeF32, 3, 12}, {loader.TypeF16, 3, 6}, {loader.TypeI8, 3, 3},
		{loader.TypeQ4_0, 64, 36}, {loader.TypeQ4_0, 65, 0}, {loader.TypeQ8_0, 32, 34}, {loader.TypeMXFP4, 32, 17},
		{loader.TypeQ4_K, 512, 288}, {loader.TypeQ4_K, 128, 0}, {loader.TypeQ6_K, 256, 210},
		{loader.TypeF32, math.MaxUint64, 0}, {loader.TypeF64, 1 << 61, 0}, {4, 32, 0},
	} {
		if got := tt.typ.RowSize(tt.n); got != tt.want {
			t.Errorf("%d elements of %v take %d bytes, want %d", tt.n, tt.typ, got, tt.want)
		}
	}
}

func TestNamesOfValueTypes(t *testing.T) {
	if s := loader.ValueUint32.String(); s != "uint32" {
		t.Errorf("%q", s)
	}
	if s := loader.ValueType(13).String(); s != "value type 13" || loader.ValueType(13).Valid() {
		t.Errorf("%q", s)
	}
}
