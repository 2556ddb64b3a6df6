package gguf

import (
	"bufio"
	"fmt"
	"io"
	"math/bits"
	"strings"

	"github.com/seed7adf6694/infer/internal/words"
)

// A Writer writes a GGUF file of version 3. Add keys and tensors in file order, then call
// [Writer.WriteHeader], which writes everything but the data. The caller then writes the data of
// the tensors in order, each followed by [Writer.Padding] zeros. The same calls write the
// same bytes.
//
// The first error of the calls that add, a [*FormatError], is returned by WriteHeader. The zero value is ready to use. A
// Writer is not safe for concurrent use.
type Writer struct {
	align   uint64 // 0: the default
	keys    []keyValue
	tensors []Tensor // Offset is relative to the data section
	names   map[string]bool
	header  uint64 // bytes, without padding and the fixed part
	next    uint64 // offset of the next tensor
	err     error
}

// SetAlignment sets the alignment of tensors in bytes (default 32) and adds its key. Call it before
// the first tensor is added.
func (w *Writer) SetAlignment(n uint32) { w.Add(KeyAlignment, Uint32Value(n)) }

// Alignment returns the alignment of tensors in bytes.
func (w *Writer) Alignment() uint64 {
	if w.align == 0 {
		return defaultAlignment
	}
	return w.align
}

// Add appends a key. The value may come from an [Index], whose header stays in memory then, or from a
// function such as [Uint32Value].
func (w *Writer) Add(key string, v Value) {
	switch {
	case key == "" || len(key) > maxKey || strings.IndexByte(key, 0) >= 0:
		w.failName("key", key, maxKey)
	case !v.typ.Valid() || v.typ != ValueArray && v.typ != ValueString && len(v.data) == 0:
		w.fail("key", key, "", "no value")
	case key == KeyAlignment:
		n, _ := v.Uint()
		if v.typ != ValueUint32 || !validAlignment(n) || len(w.tensors) > 0 {
			w.fail("key", key, v.String(), "must be of type uint32, a power of two, at most %d, and set before tensors are added", maxAlignment)
			return
		}
		w.align = n
	}
	w.name("key "+key, "key")
	w.keys = append(w.keys, keyValue{key: key, value: v})
	w.header += 8 + uint64(len(key)) + 4 + v.encodedBytes()
}

// AddTensor appends a tensor and returns its offset in the data section and its size, in bytes. The
// shape has 1 to 4 dimensions, the fastest varying first.
func (w *Writer) AddTensor(name string, t Type, shape ...uint64) (offset, size uint64) {
	size, reason := tensorBytes(t, shape)
	switch {
	case name == "" || len(name) > maxTensorName || strings.IndexByte(name, 0) >= 0:
		w.failName("tensor", name, maxTensorName)
	case reason != "":
		w.fail("tensor", name, fmt.Sprintf("of %v and shape %v", t, shape), "%s", reason)
		size = 0
	}
	w.name("tensor "+name, "tensor")
	offset = w.next
	end, carry := bits.Add64(offset, pad(size, w.Alignment()), 0)
	if carry != 0 || end > 1<<62 {
		w.fail("tensor", name, fmt.Sprintf("%d bytes long", size), "the file would be larger than a file can be")
		return offset, size
	}
	w.next = end
	w.tensors = append(w.tensors, Tensor{Name: name, Type: t, Shape: append([]uint64(nil), shape...), Offset: int64(offset), Size: size})
	w.header += 8 + uint64(len(name)) + 4 + 8*uint64(len(shape)) + 4 + 8
	return offset, size
}

// name records a name, with an error if it has been added before.
func (w *Writer) name(name, kind string) {
	if w.names == nil {
		w.names = map[string]bool{}
	}
	if w.names[name] {
		w.fail(kind, name[len(kind)+1:], "added twice", "a name must be unique")
	}
	w.names[name] = true
}

// fail records the first error.
func (w *Writer) fail(kind, name, value, reason string, args ...any) {
	if w.err == nil {
		w.err = &FormatError{Offset: -1, Field: kind + " " + words.Literal(name), Value: value, Reason: fmt.Sprintf(reason, args...)}
	}
}

func (w *Writer) failName(kind, name string, most int) {
	w.fail(kind, name, fmt.Sprintf("%d bytes long", len(name)), "a name must have 1 to %d bytes and no NUL", most)
}

// Padding returns the number of zeros to write after data of this size.
func (w *Writer) Padding(size uint64) uint64 { return pad(size, w.Alignment()) - size }

// HeaderBytes returns the size of the padded header, which is the offset of the data section in the
// file.
func (w *Writer) HeaderBytes() uint64 { return pad(fixedBytes+w.header, w.Alignment()) }

// DataBytes returns the size of the data section with padding.
func (w *Writer) DataBytes() uint64 { return w.next }

// WriteHeader writes the padded header and returns its size, which is the offset of the data section
// in the file.
func (w *Writer) WriteHeader(out io.Writer) (int64, error) {
	if w.err != nil {
		return 0, fmt.Errorf("writing a GGUF header: %w", w.err)
	}
	b := bufio.NewWriterSize(out, 64<<10)
	scratch := append(make([]byte, 0, 256), magic...)
	scratch = order.AppendUint32(scratch, writtenVersion)
	scratch = order.AppendUint64(scratch, uint64(len(w.tensors)))
	scratch = order.AppendUint64(scratch, uint64(len(w.keys)))
	b.Write(scratch) // a bufio.Writer returns its error in Flush
	for _, kv := range w.keys {
		scratch = order.AppendUint64(scratch[:0], uint64(len(kv.key)))
		b.Write(scratch)
		b.WriteString(kv.key)
		kv.value.encode(b)
	}
	for _, t := range w.tensors {
		scratch = appendText(scratch[:0], t.Name)
		scratch = order.AppendUint32(scratch, uint32(len(t.Shape)))
		for _, d := range t.Shape {
			scratch = order.AppendUint64(scratch, d)
		}
		scratch = order.AppendUint32(scratch, uint32(t.Type))
		scratch = order.AppendUint64(scratch, uint64(t.Offset))
		b.Write(scratch)
	}
	size := fixedBytes + w.header
	io.CopyN(b, zeros{}, int64(w.Padding(size)))
	if err := b.Flush(); err != nil {
		return 0, fmt.Errorf("writing a GGUF header: %w", err)
	}
	return int64(size + w.Padding(size)), nil
}

// zeros is an endless reader of zeros.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
