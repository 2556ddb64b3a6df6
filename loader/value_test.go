package loader_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/internal/modeltest"
)

func TestValuesOfEveryType(t *testing.T) {
	ix := modeltest.Open(t, modeltest.Write(t, ggufcases.Small()))
	for _, tt := range []struct {
		key                         string
		typ                         loader.ValueType
		uint, int, float, bool, str any // nil where the value is of another kind
		text                        string
	}{
		{key: "small.uint8", typ: loader.ValueUint8, uint: uint64(200), int: int64(200), text: "200"},
		{key: "small.int8", typ: loader.ValueInt8, int: int64(-1), text: "-1"},
		{key: "small.uint16", typ: loader.ValueUint16, uint: uint64(60000), int: int64(60000), text: "60000"},
		{key: "small.int16", typ: loader.ValueInt16, int: int64(-2), text: "-2"},
		{key: "small.uint32", typ: loader.ValueUint32, uint: uint64(4000000000), int: int64(4000000000), text: "4000000000"},
		{key: "small.int32", typ: loader.ValueInt32, int: int64(-3), text: "-3"},
		{key: "small.float32", typ: loader.ValueFloat32, float: 1.5, text: "1.5"},
		{key: "small.bool", typ: loader.ValueBool, bool: true, text: "true"},
		{key: "small.string", typ: loader.ValueString, str: "zwölf", text: "zwölf"},
		{key: "small.uint64", typ: loader.ValueUint64, uint: uint64(1) << 63, text: "9223372036854775808"},
		{key: "small.int64", typ: loader.ValueInt64, int: int64(-4), text: "-4"},
		{key: "small.float64", typ: loader.ValueFloat64, float: 2.25, text: "2.25"},
		{key: "small.numbers", typ: loader.ValueArray, text: "[1, 2, 3]"},
		{key: "small.bools", typ: loader.ValueArray, text: "[false, true]"},
		{key: "small.strings", typ: loader.ValueArray, text: `["a", "", "ccc"]`},
		{key: "small.nothing", typ: loader.ValueArray, text: "[]"},
		{key: "there is none", typ: 0, text: "none"},
	} {
		t.Run(tt.key, func(t *testing.T) {
			v, _ := ix.Lookup(tt.key)
			if v.Type() != tt.typ || v.String() != tt.text || v.IsArray() != (tt.typ == loader.ValueArray) {
				t.Errorf("%v %v, want %v %v", v.Type(), v, tt.typ, tt.text)
			}
			want := func(kind string, got any, ok bool, want any) {
				if ok != (want != nil) || ok && got != want {
					t.Errorf("as %s it is %v, %v, want %v", kind, got, ok, want)
				}
			}
			u, ok := v.Uint()
			want("an unsigned integer", u, ok, tt.uint)
			i, ok := v.Int()
			want("an integer", i, ok, tt.int)
			f, ok := v.Float()
			want("a number", f, ok, tt.float)
			b, ok := v.Bool()
			want("a bool", b, ok, tt.bool)
			s, ok := v.Str()
			want("a string", s, ok, tt.str)
		})
	}
}

func TestElementsOfArrays(t *testing.T) {
	for _, v := range []loader.Value{
		loader.Int32sValue([]int32{7, 8, 9}),
		loader.Float32sValue([]float32{7, 8, 9}),
		loader.StringsValue([]string{"7", "8", "9"}),
		loader.ArrayValue(loader.ValueUint64, loader.Uint64Value(7), loader.Uint64Value(8), loader.Uint64Value(9)),
		loader.ArrayValue(loader.ValueString, loader.StringValue("7"), loader.StringValue("8"), loader.StringValue("9")),
	} {
		t.Run(v.ElemType().String(), func(t *testing.T) {
			if v.Len() != 3 || !v.IsArray() {
				t.Fatalf("length %d", v.Len())
			}
			n := 0
			for i, e := range v.Elems() {
				if i != n || e.String() != fmt.Sprint(7+i) || e.Type() != v.ElemType() {
					t.Errorf("element %d is %v of type %v", i, e, e.Type())
				}
				if at := v.At(i); at.String() != e.String() || at.Type() != e.Type() {
					t.Errorf("by its index element %d is %v", i, at)
				}
				if n++; n == 2 {
					break
				}
			}
			for _, i := range []int{-1, 3, math.MaxInt} {
				if e := v.At(i); e.String() != "none" {
					t.Errorf("element %d is %v", i, e)
				}
			}
		})
	}
}

func TestStringsOfOtherValuesAreNone(t *testing.T) {
	for _, v := range []loader.Value{{}, loader.StringValue("x"), loader.Int32sValue([]int32{1}), loader.StringsValue(nil)} {
		for i, s := range v.Strings() {
			t.Errorf("%v has string %d, %q", v, i, s)
		}
	}
	if v := loader.StringValue("x"); v.Len() != 0 {
		t.Errorf("a string has length %d", v.Len())
	}
	for i, e := range (loader.StringValue("x")).Elems() {
		t.Errorf("a string has element %d, %v", i, e)
	}
}

func TestValuesForPeopleAreShortAndOfOneLine(t *testing.T) {
	many := make([]string, 1000)
	for i := range many {
		many[i] = "\n"
	}
	for _, v := range []loader.Value{
		loader.StringValue(strings.Repeat("x\n\x1b", 1000)),
		loader.StringValue("\xff\xfe"),
		loader.StringsValue(many),
		loader.Float32sValue(make([]float32, 1000)),
	} {
		if s := v.String(); len(s) > 600 || !utf8.ValidString(s) || strings.ContainsAny(s, "\n\x1b") {
			t.Errorf("%d bytes: %q", len(s), s)
		}
	}
	if s := loader.StringsValue(many).String(); !strings.Contains(s, "1000 in all") {
		t.Errorf("%q does not say how many there are", s)
	}
}
