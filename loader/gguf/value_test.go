package gguf_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/internal/modeltest"
)

func TestValuesOfEveryType(t *testing.T) {
	ix := modeltest.Open(t, modeltest.Write(t, ggufcases.Small()))
	for _, tt := range []struct {
		key                         string
		typ                         gguf.ValueType
		uint, int, float, bool, str any // nil where the value is of another kind
		text                        string
	}{
		{key: "small.uint8", typ: gguf.ValueUint8, uint: uint64(200), int: int64(200), text: "200"},
		{key: "small.int8", typ: gguf.ValueInt8, int: int64(-1), text: "-1"},
		{key: "small.uint16", typ: gguf.ValueUint16, uint: uint64(60000), int: int64(60000), text: "60000"},
		{key: "small.int16", typ: gguf.ValueInt16, int: int64(-2), text: "-2"},
		{key: "small.uint32", typ: gguf.ValueUint32, uint: uint64(4000000000), int: int64(4000000000), text: "4000000000"},
		{key: "small.int32", typ: gguf.ValueInt32, int: int64(-3), text: "-3"},
		{key: "small.float32", typ: gguf.ValueFloat32, float: 1.5, text: "1.5"},
		{key: "small.bool", typ: gguf.ValueBool, bool: true, text: "true"},
		{key: "small.string", typ: gguf.ValueString, str: "zwölf", text: "zwölf"},
		{key: "small.uint64", typ: gguf.ValueUint64, uint: uint64(1) << 63, text: "9223372036854775808"},
		{key: "small.int64", typ: gguf.ValueInt64, int: int64(-4), text: "-4"},
		{key: "small.float64", typ: gguf.ValueFloat64, float: 2.25, text: "2.25"},
		{key: "small.numbers", typ: gguf.ValueArray, text: "[1, 2, 3]"},
		{key: "small.bools", typ: gguf.ValueArray, text: "[false, true]"},
		{key: "small.strings", typ: gguf.ValueArray, text: `["a", "", "ccc"]`},
		{key: "small.nothing", typ: gguf.ValueArray, text: "[]"},
		{key: "there is none", typ: 0, text: "none"},
	} {
		t.Run(tt.key, func(t *testing.T) {
			v, _ := ix.Lookup(tt.key)
			if v.Type() != tt.typ || v.String() != tt.text || v.IsArray() != (tt.typ == gguf.ValueArray) {
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
	for _, v := range []gguf.Value{
		gguf.Int32sValue([]int32{7, 8, 9}),
		gguf.Float32sValue([]float32{7, 8, 9}),
		gguf.StringsValue([]string{"7", "8", "9"}),
		gguf.ArrayValue(gguf.ValueUint64, gguf.Uint64Value(7), gguf.Uint64Value(8), gguf.Uint64Value(9)),
		gguf.ArrayValue(gguf.ValueString, gguf.StringValue("7"), gguf.StringValue("8"), gguf.StringValue("9")),
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
	for _, v := range []gguf.Value{{}, gguf.StringValue("x"), gguf.Int32sValue([]int32{1}), gguf.StringsValue(nil)} {
		for i, s := range v.Strings() {
			t.Errorf("%v has string %d, %q", v, i, s)
		}
	}
	if v := gguf.StringValue("x"); v.Len() != 0 {
		t.Errorf("a string has length %d", v.Len())
	}
	for i, e := range (gguf.StringValue("x")).Elems() {
		t.Errorf("a string has element %d, %v", i, e)
	}
}

func TestValuesForPeopleAreShortAndOfOneLine(t *testing.T) {
	many := make([]string, 1000)
	for i := range many {
		many[i] = "\n"
	}
	for _, v := range []gguf.Value{
		gguf.StringValue(strings.Repeat("x\n\x1b", 1000)),
		gguf.StringValue("\xff\xfe"),
		gguf.StringsValue(many),
		gguf.Float32sValue(make([]float32, 1000)),
	} {
		if s := v.String(); len(s) > 600 || !utf8.ValidString(s) || strings.ContainsAny(s, "\n\x1b") {
			t.Errorf("%d bytes: %q", len(s), s)
		}
	}
	if s := gguf.StringsValue(many).String(); !strings.Contains(s, "1000 in all") {
		t.Errorf("%q does not say how many there are", s)
	}
}
