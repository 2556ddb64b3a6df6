package gguf_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/ggufcases"
	"github.com/seed7adf6694/infer/loader/gguf"
	"github.com/seed7adf6694/infer/loader/internal/modeltest"
)

// small adds what [ggufcases.Small] has.
func small(w *gguf.Writer) {
	w.Add("general.architecture", gguf.StringValue("llama"))
	w.Add("small.uint8", gguf.Uint8Value(200))
	w.Add("small.int8", gguf.Int8Value(-1))
	w.Add("small.uint16", gguf.Uint16Value(60000))
	w.Add("small.int16", gguf.Int16Value(-2))
	w.Add("small.uint32", gguf.Uint32Value(4000000000))
	w.Add("small.int32", gguf.Int32Value(-3))
	w.Add("small.float32", gguf.Float32Value(1.5))
	w.Add("small.bool", gguf.BoolValue(true))
	w.Add("small.string", gguf.StringValue("zwölf"))
	w.Add("small.uint64", gguf.Uint64Value(1<<63))
	w.Add("small.int64", gguf.Int64Value(-4))
	w.Add("small.float64", gguf.Float64Value(2.25))
	w.Add("small.numbers", gguf.Int32sValue([]int32{1, 2, 3}))
	w.Add("small.bools", gguf.ArrayValue(gguf.ValueBool, gguf.BoolValue(false), gguf.BoolValue(true)))
	w.Add("small.strings", gguf.StringsValue([]string{"a", "", "ccc"}))
	w.Add("small.nothing", gguf.StringsValue(nil))
	w.AddTensor("f32", gguf.TypeF32, 5)
	w.AddTensor("q4_0", gguf.TypeQ4_0, 32, 2)
	w.AddTensor("f16", gguf.TypeF16, 2, 1, 3, 1)
}

func TestWriterMakesTheBytesOfTheFormat(t *testing.T) {
	var w gguf.Writer
	small(&w)
	var out bytes.Buffer
	n, err := w.WriteHeader(&out)
	if err != nil {
		t.Fatal(err)
	}
	want := ggufcases.Small()
	if !bytes.HasPrefix(want, out.Bytes()) {
		t.Errorf("%q\nwant the beginning of\n%q", out.Bytes(), want)
	}
	if n != int64(out.Len()) || w.HeaderBytes() != uint64(n) || w.DataBytes() != 128 || w.Alignment() != 32 {
		t.Errorf("%d bytes written, %d counted, %d announced; %d of data", out.Len(), n, w.HeaderBytes(), w.DataBytes())
	}
}

func TestWriterTakesValuesOfAFile(t *testing.T) {
	ix := modeltest.Open(t, modeltest.Write(t, ggufcases.Small()))
	var w gguf.Writer
	for k, v := range ix.Metadata() {
		w.Add(k, v)
	}
	for _, tensor := range ix.Tensors() {
		offset, size := w.AddTensor(tensor.Name, tensor.Type, tensor.Shape...)
		if size != tensor.Size || offset%32 != 0 {
			t.Errorf("tensor %s of %d bytes at %d", tensor.Name, size, offset)
		}
	}
	var out bytes.Buffer
	if _, err := w.WriteHeader(&out); err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(ggufcases.Small(), out.Bytes()) {
		t.Error("another header")
	}
}

func TestWriterAlignsAndPads(t *testing.T) {
	for _, align := range []uint32{1, 8, 32, 64, 4096, 1 << 20} {
		var w gguf.Writer
		w.SetAlignment(align)
		w.AddTensor("a", gguf.TypeF32, 3)
		offset, _ := w.AddTensor("b", gguf.TypeF32, 3)
		if want := uint64(12) + w.Padding(12); offset != want || offset%uint64(align) != 0 {
			t.Errorf("alignment %d: second tensor at %d, want %d", align, offset, want)
		}
		var out bytes.Buffer
		header, err := w.WriteHeader(&out)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(make([]byte, w.DataBytes()))
		ix := modeltest.Open(t, modeltest.Write(t, out.Bytes()))
		if ix.Alignment() != uint64(align) || ix.Tensors()[0].Offset != header {
			t.Errorf("alignment %d: read as %d, data at %d and %d", align, ix.Alignment(), header, ix.Tensors()[0].Offset)
		}
	}
}

func TestWriterRefusesWhatNoReaderWouldTake(t *testing.T) {
	value := gguf.Uint32Value(1)
	for _, tt := range []struct {
		name, field, value string
		add                func(w *gguf.Writer)
	}{
		{"an empty key", `key ""`, "0 bytes long", func(w *gguf.Writer) { w.Add("", value) }},
		{"a long key", `key "kkk`, "65536 bytes long", func(w *gguf.Writer) { w.Add(strings.Repeat("k", 1<<16), value) }},
		{"a key with a NUL", `key "a\x00"`, "2 bytes long", func(w *gguf.Writer) { w.Add("a\x00", value) }},
		{"a key twice", `key "a"`, "added twice", func(w *gguf.Writer) { w.Add("a", value); w.Add("b", value); w.Add("a", value) }},
		{"no value", `key "a"`, "", func(w *gguf.Writer) { w.Add("a", gguf.Value{}) }},
		{"an array of several types", `key "a"`, "", func(w *gguf.Writer) {
			w.Add("a", gguf.ArrayValue(gguf.ValueUint32, value, gguf.BoolValue(true)))
		}},
		{"an array of arrays", `key "a"`, "", func(w *gguf.Writer) { w.Add("a", gguf.ArrayValue(gguf.ValueArray)) }},
		{"an alignment of 3", `key "general.alignment"`, "3", func(w *gguf.Writer) { w.SetAlignment(3) }},
		{"an alignment of 0", `key "general.alignment"`, "0", func(w *gguf.Writer) { w.SetAlignment(0) }},
		{"an alignment of another type", `key "general.alignment"`, "32", func(w *gguf.Writer) { w.Add("general.alignment", gguf.Uint64Value(32)) }},
		{"an alignment that comes late", `key "general.alignment"`, "64", func(w *gguf.Writer) { w.AddTensor("a", gguf.TypeF32, 1); w.SetAlignment(64) }},
		{"a tensor without a name", `tensor ""`, "0 bytes long", func(w *gguf.Writer) { w.AddTensor("", gguf.TypeF32, 1) }},
		{"a tensor with a long name", `tensor "ttt`, "64 bytes long", func(w *gguf.Writer) { w.AddTensor(strings.Repeat("t", 64), gguf.TypeF32, 1) }},
		{"a tensor with a NUL", `tensor "a\x00"`, "2 bytes long", func(w *gguf.Writer) { w.AddTensor("a\x00", gguf.TypeF32, 1) }},
		{"a tensor twice", `tensor "a"`, "added twice", func(w *gguf.Writer) { w.AddTensor("a", gguf.TypeF32, 1); w.AddTensor("a", gguf.TypeF16, 2) }},
		{"a tensor without dimensions", `tensor "a"`, "of f32 and shape []", func(w *gguf.Writer) { w.AddTensor("a", gguf.TypeF32) }},
		{"a tensor of five dimensions", `tensor "a"`, "of f32 and shape [1 1 1 1 1]", func(w *gguf.Writer) { w.AddTensor("a", gguf.TypeF32, 1, 1, 1, 1, 1) }},
		{"a dimension of 0", `tensor "a"`, "of f32 and shape [4 0]", func(w *gguf.Writer) { w.AddTensor("a", gguf.TypeF32, 4, 0) }},
		{"a type that was removed", `tensor "a"`, "of type 4 and shape [32]", func(w *gguf.Writer) { w.AddTensor("a", 4, 32) }},
		{"a row of half a block", `tensor "a"`, "of q4_K and shape [128]", func(w *gguf.Writer) { w.AddTensor("a", gguf.TypeQ4_K, 128) }},
		{"a tensor that is too large", `tensor "a"`, "of f32 and shape [2305843009213693952 2]", func(w *gguf.Writer) { w.AddTensor("a", gguf.TypeF32, 1<<61, 2) }},
		{"tensors that are too large together", `tensor "c"`, "2305843009213693952 bytes long", func(w *gguf.Writer) {
			for _, name := range []string{"a", "b", "c"} {
				w.AddTensor(name, gguf.TypeI8, 1<<61)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var w gguf.Writer
			tt.add(&w)
			w.Add("later", value) // does not hide the first error
			var e *gguf.FormatError
			if _, err := w.WriteHeader(io.Discard); !errors.As(err, &e) || !strings.HasPrefix(e.Field, tt.field) || e.Value != tt.value {
				t.Errorf("error %v, want one about %s, %s", err, tt.field, tt.value)
			}
		})
	}
}

func TestWriterReportsAFullDisk(t *testing.T) {
	var w gguf.Writer
	small(&w)
	for n := range int(w.HeaderBytes()) {
		if _, err := w.WriteHeader(&modeltest.Full{Left: n}); !errors.Is(err, modeltest.ErrFull) {
			t.Fatalf("room for %d bytes: %v", n, err)
		}
	}
}

func TestKeysAndTensorsMayShareANameInAFile(t *testing.T) {
	var w gguf.Writer
	w.Add("a", gguf.Float32Value(float32(math.Inf(1))))
	w.AddTensor("a", gguf.TypeF32, 1)
	if _, err := w.WriteHeader(io.Discard); err != nil {
		t.Error(err)
	}
}
