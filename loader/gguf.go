package loader

import (
	"errors"
	"fmt"
	"io"
	"math/bits"
	"strings"
)

const (
	magic            = "GGUF"
	defaultAlignment = 32
	maxAlignment     = 1 << 20
	maxKey           = 1<<16 - 1
	maxTensorName    = 63 // the engine's 64 with the terminating NUL
	maxDims          = 4
	minKeyBytes      = 8 + 1 + 4 + 1         // length, name, type, value
	minTensorBytes   = 8 + 1 + 4 + 8 + 4 + 8 // length, name, dimensions, one dimension, type, offset

	keyAlignment = "general.alignment"
)

// header is what one file says of itself.
type header struct {
	version   uint32
	alignment uint64
	keys      []keyValue
	tensors   []Tensor // offsets relative to the data section
	data      int64    // offset of the data section
}

type keyValue struct {
	key    string
	value  Value
	offset int64
}

// parser reads a header. It holds what it has read as one string, of which keys and
// values are views; nothing is allocated from a count that the file's size does not
// bear out.
type parser struct {
	file string
	src  io.ReaderAt
	size int64
	at   int64 // next byte
	buf  []byte
	from int64 // offset of buf
}

// parseHeader reads and checks the header of a file of the given size.
func parseHeader(file string, src io.ReaderAt, size int64) (*header, error) {
	p := &parser{file: file, src: src, size: size}
	return p.header()
}

// fail makes the error of what lies at offset.
func (p *parser) fail(offset int64, field, value, reason string, args ...any) error {
	return &FormatError{File: p.file, Offset: offset, Field: field, Value: value, Reason: fmt.Sprintf(reason, args...)}
}

// need makes the next n bytes available, and fails where the file has no more.
func (p *parser) need(n uint64, field string) error {
	if n > uint64(p.size-p.at) {
		return p.fail(p.at, field, "", "needs %d bytes, the file has %d left", n, p.size-p.at)
	}
	return nil
}

const readAhead = 1 << 20

// bytes returns the next n bytes, which need has allowed. They are valid until the
// next call.
func (p *parser) bytes(n int) ([]byte, error) {
	have := p.from + int64(len(p.buf)) - p.at
	if have < int64(n) {
		want := min(max(int64(n), readAhead), p.size-p.at)
		buf := make([]byte, want)
		copied := 0
		if have > 0 {
			copied = copy(buf, p.buf[p.at-p.from:])
		}
		if err := readFull(p.src, buf[copied:], p.at+int64(copied)); err != nil {
			return nil, &FormatError{File: p.file, Offset: p.at, Reason: "cannot be read", Err: err}
		}
		p.buf, p.from = buf, p.at
	}
	i := p.at - p.from
	p.at += int64(n)
	return p.buf[i : i+int64(n)], nil
}

// readFull reads all of b at off, however small the pieces come.
func readFull(r io.ReaderAt, b []byte, off int64) error {
	for len(b) > 0 {
		n, err := r.ReadAt(b, off)
		b, off = b[n:], off+int64(n)
		switch {
		case len(b) == 0:
			return nil
		case errors.Is(err, io.EOF):
			return io.ErrUnexpectedEOF
		case err != nil && !temporary(err):
			return err
		case err == nil && n == 0:
			return io.ErrNoProgress
		}
	}
	return nil
}

func (p *parser) u32(field string) (uint32, error) {
	if err := p.need(4, field); err != nil {
		return 0, err
	}
	b, err := p.bytes(4)
	if err != nil {
		return 0, err
	}
	return order.Uint32(b), nil
}

func (p *parser) u64(field string) (uint64, error) {
	if err := p.need(8, field); err != nil {
		return 0, err
	}
	b, err := p.bytes(8)
	if err != nil {
		return 0, err
	}
	return order.Uint64(b), nil
}

// text reads a string with its length.
func (p *parser) text(field string, limit uint64) (string, error) {
	at := p.at
	n, err := p.u64(field)
	if err != nil {
		return "", err
	}
	if n > uint64(p.size-p.at) {
		return "", p.fail(at, field, fmt.Sprintf("%d bytes long", n), "the file has %d left", p.size-p.at)
	}
	if n > limit {
		return "", p.fail(at, field, fmt.Sprintf("%d bytes long", n), "at most %d are possible", limit)
	}
	b, err := p.bytes(int(n))
	return string(b), err
}

func (p *parser) header() (*header, error) {
	h := &header{alignment: defaultAlignment}
	if err := p.magic(h); err != nil {
		return nil, err
	}
	tensors, err := p.count("tensor count", minTensorBytes)
	if err != nil {
		return nil, err
	}
	keys, err := p.count("key count", minKeyBytes)
	if err != nil {
		return nil, err
	}
	if left := uint64(p.size - p.at); tensors*minTensorBytes+keys*minKeyBytes > left {
		return nil, p.fail(8, "counts", fmt.Sprintf("%d tensors and %d keys", tensors, keys), "the file has %d bytes left", left)
	}
	if err := p.keys(h, int(keys)); err != nil {
		return nil, err
	}
	if err := p.tensors(h, int(tensors)); err != nil {
		return nil, err
	}
	return h, nil
}

func (p *parser) magic(h *header) error {
	if p.size < 24 {
		return p.fail(0, "file", fmt.Sprintf("%d bytes long", p.size), "a GGUF file has at least 24")
	}
	b, err := p.bytes(4)
	if err != nil {
		return err
	}
	switch m := string(b); m {
	case magic:
	case "FUGG":
		return p.fail(0, "magic", quote(m), "a byte-swapped file; only little-endian ones can be read")
	default:
		return p.fail(0, "magic", quote(m), "not a GGUF file, which begins with %q", magic)
	}
	if h.version, err = p.u32("version"); err != nil {
		return err
	}
	switch v := h.version; {
	case v == 2 || v == 3:
		return nil
	case v == 1:
		return p.fail(4, "version", "1", "versions 2 and 3 can be read: convert the file again")
	case v != 0 && v&0xffff == 0:
		return p.fail(4, "version", fmt.Sprint(v), "a big-endian file (version %d); only little-endian ones can be read", bits.ReverseBytes32(v))
	default:
		return p.fail(4, "version", fmt.Sprint(v), "versions 2 and 3 can be read")
	}
}

// count reads a count of things of at least so many bytes each.
func (p *parser) count(field string, each uint64) (uint64, error) {
	at := p.at
	n, err := p.u64(field)
	if err != nil {
		return 0, err
	}
	if left := uint64(p.size - p.at); n > left/each {
		return 0, p.fail(at, field, fmt.Sprint(n), "the file has %d bytes left", left)
	}
	return n, nil
}

func (p *parser) keys(h *header, n int) error {
	h.keys = make([]keyValue, 0, min(n, 1<<12))
	seen := make(map[string]struct{}, min(n, 1<<12))
	for i := range n {
		at := p.at
		field := fmt.Sprintf("key %d", i)
		key, err := p.text(field, maxKey)
		if err != nil {
			return err
		}
		switch _, dup := seen[key]; {
		case key == "":
			return p.fail(at, field, "empty", "a key has a name")
		case strings.IndexByte(key, 0) >= 0:
			return p.fail(at, field, quote(key), "contains a NUL byte")
		case dup:
			return p.fail(at, "key "+quote(key), "", "occurs twice")
		}
		seen[key] = struct{}{}
		at = p.at
		v, err := p.value("key " + quote(key))
		if err != nil {
			return err
		}
		h.keys = append(h.keys, keyValue{key, v, at})
		if key == keyAlignment {
			if h.alignment, err = p.alignment(v, at); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *parser) alignment(v Value, at int64) (uint64, error) {
	const field = "key " + keyAlignment
	if v.Type() != ValueUint32 {
		return 0, p.fail(at, field, "of type "+v.Type().String(), "it must be uint32")
	}
	a, _ := v.Uint()
	if a == 0 || a&(a-1) != 0 || a > maxAlignment {
		return 0, p.fail(at, field, fmt.Sprint(a), "it must be a power of two up to %d", maxAlignment)
	}
	return a, nil
}

func (p *parser) value(field string) (Value, error) {
	at := p.at
	t, err := p.u32(field)
	if err != nil {
		return Value{}, err
	}
	v := Value{typ: ValueType(t)}
	if !v.typ.Valid() {
		return v, p.fail(at, field, fmt.Sprintf("of value type %d", t), "unknown")
	}
	if v.typ != ValueArray {
		v.raw, err = p.scalar(field, v.typ)
		return v, err
	}
	at = p.at
	e, err := p.u32(field)
	if err != nil {
		return v, err
	}
	v.elem = ValueType(e)
	if !v.elem.Valid() || v.elem == ValueArray {
		return v, p.fail(at, field, fmt.Sprintf("an array of value type %d", e), "unknown, or an array of arrays")
	}
	at = p.at
	if v.n, err = p.u64(field); err != nil {
		return v, err
	}
	size := uint64(valueTypes[v.elem].size)
	if left := uint64(p.size - p.at); v.n > left/max(size, 1) || size == 0 && v.n > left/8 {
		return v, p.fail(at, field, fmt.Sprintf("an array of %d", v.n), "the file has %d bytes left", left)
	}
	if size > 0 {
		b, err := p.bytes(int(v.n * size))
		if err != nil {
			return v, err
		}
		v.raw = string(b)
		if v.elem == ValueBool {
			if i := strings.IndexFunc(v.raw, func(r rune) bool { return r > 1 }); i >= 0 {
				return v, p.fail(at, field, fmt.Sprintf("an array with %d in place %d", v.raw[i], i), "a bool is 0 or 1")
			}
		}
		return v, nil
	}
	return v, p.texts(field, &v)
}

// texts reads the elements of an array of strings, as one piece.
func (p *parser) texts(field string, v *Value) error {
	var b strings.Builder
	for i := range v.n {
		at := p.at
		n, err := p.u64(field)
		if err != nil {
			return err
		}
		if n > uint64(p.size-p.at) {
			return p.fail(at, field, fmt.Sprintf("%d bytes long in place %d", n, i), "the file has %d left", p.size-p.at)
		}
		p.at = at // length and text together
		raw, err := p.bytes(8 + int(n))
		if err != nil {
			return err
		}
		b.Write(raw)
	}
	v.raw = b.String()
	return nil
}

func (p *parser) scalar(field string, t ValueType) (string, error) {
	at := p.at
	if t == ValueString {
		n, err := p.u64(field)
		if err != nil {
			return "", err
		}
		if n > uint64(p.size-p.at) {
			return "", p.fail(at, field, fmt.Sprintf("%d bytes long", n), "the file has %d left", p.size-p.at)
		}
		p.at = at
		b, err := p.bytes(8 + int(n))
		return string(b), err
	}
	n := valueTypes[t].size
	if err := p.need(uint64(n), field); err != nil {
		return "", err
	}
	b, err := p.bytes(n)
	if err != nil {
		return "", err
	}
	if t == ValueBool && b[0] > 1 {
		return "", p.fail(at, field, fmt.Sprint(b[0]), "a bool is 0 or 1")
	}
	return string(b), nil
}

func (p *parser) tensors(h *header, n int) error {
	h.tensors = make([]Tensor, 0, min(n, 1<<12))
	offsets := make([]int64, 0, min(n, 1<<12)) // in the header, for errors
	seen := make(map[string]struct{}, min(n, 1<<12))
	for i := range n {
		at := p.at
		field := fmt.Sprintf("tensor %d", i)
		name, err := p.text(field, maxTensorName)
		if err != nil {
			return err
		}
		switch _, dup := seen[name]; {
		case name == "":
			return p.fail(at, field, "without a name", "a tensor has one")
		case strings.IndexByte(name, 0) >= 0:
			return p.fail(at, field, quote(name), "contains a NUL byte")
		case dup:
			return p.fail(at, "tensor "+quote(name), "", "occurs twice")
		}
		seen[name] = struct{}{}
		t, err := p.tensor(name)
		if err != nil {
			return err
		}
		h.tensors = append(h.tensors, t)
		offsets = append(offsets, at)
	}
	return p.layout(h, offsets)
}

func (p *parser) tensor(name string) (Tensor, error) {
	t := Tensor{Name: name}
	field := "tensor " + quote(name)
	at := p.at
	dims, err := p.u32(field)
	if err != nil {
		return t, err
	}
	if dims == 0 || dims > maxDims {
		return t, p.fail(at, field, fmt.Sprintf("of %d dimensions", dims), "1 to %d are possible", maxDims)
	}
	t.Shape = make([]uint64, dims)
	for i := range t.Shape {
		at = p.at
		if t.Shape[i], err = p.u64(field); err != nil {
			return t, err
		}
		if d := t.Shape[i]; d == 0 || d >= 1<<63 {
			return t, p.fail(at, field, fmt.Sprintf("%d elements in dimension %d", int64(d), i), "it must be 1 or more")
		}
	}
	n, ok := elements(t.Shape)
	if !ok {
		return t, p.fail(at, field, fmt.Sprintf("of shape %v", t.Shape), "more elements than can be counted")
	}
	at = p.at
	typ, err := p.u32(field)
	if err != nil {
		return t, err
	}
	if t.Type = Type(typ); !t.Type.Valid() {
		return t, p.fail(at, field, fmt.Sprintf("of type %d", typ), "unknown to this engine, or removed from it")
	}
	if t.Shape[0]%t.Type.BlockSize() != 0 {
		return t, p.fail(at, field, fmt.Sprintf("of shape %v", t.Shape), "rows of %v come in multiples of %d", t.Type, t.Type.BlockSize())
	}
	hi, size := bits.Mul64(n/t.Type.BlockSize(), t.Type.BlockBytes())
	if hi != 0 || size > uint64(p.size) {
		return t, p.fail(at, field, fmt.Sprintf("of shape %v and type %v", t.Shape, t.Type), "larger than the file of %d bytes", p.size)
	}
	t.Size = size
	at = p.at
	offset, err := p.u64(field)
	if err != nil {
		return t, err
	}
	if offset > uint64(p.size) {
		return t, p.fail(at, field, fmt.Sprintf("at offset %d", offset), "behind the file's end at %d", p.size)
	}
	t.Offset = int64(offset)
	return t, nil
}

// layout checks that the tensors lie one behind the other, padded to the alignment,
// as the engine demands, and that all of them are in the file.
func (p *parser) layout(h *header, offsets []int64) error {
	data := pad(uint64(p.at), h.alignment)
	h.data = int64(data)
	next := uint64(0)
	for i, t := range h.tensors {
		field := "tensor " + quote(t.Name)
		if uint64(t.Offset) != next {
			return p.fail(offsets[i], field, fmt.Sprintf("at offset %d", t.Offset), "expected %d: tensors lie one behind the other, aligned to %d", next, h.alignment)
		}
		if end := data + next + t.Size; end > uint64(p.size) {
			return p.fail(offsets[i], field, fmt.Sprintf("%d bytes at %d", t.Size, data+next), "%d behind the file's end at %d", end-uint64(p.size), p.size)
		}
		next += pad(t.Size, h.alignment)
	}
	return nil
}
