package gguf

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/seed7adf6694/infer/internal/words"
)

const (
	minKeyBytes  = 8 + 1 + 4 + 1 // length, name, type, value
	maxKey       = 1<<16 - 1
	maxAlignment = 1 << 20

	// The largest known vocabularies take about 30 MiB, and the engine copies each of their strings.
	// Larger metadata is refused.
	maxHeader = 256 << 20 // bytes of keys and values together
	maxValue  = 64 << 20  // bytes of one string, or of one array of numbers
)

func (p *parser) readKeys(h *header, n int) error {
	h.keys = make([]keyValue, 0, min(n, 64))
	h.byKey = make(map[string]int32, min(n, 64))
	for i := range n {
		if i == cap(h.keys) { // double, as append would grow by a quarter and leave more garbage
			h.keys = slices.Grow(h.keys, min(i, n-i))
		}
		if err := p.readKey(h, i); err != nil {
			return err
		}
	}
	h.keys = slices.Clip(h.keys)
	return nil
}

func (p *parser) readKey(h *header, i int) error {
	p.field = field{kind: "key", i: i, many: true}
	at := p.at()
	name, err := p.text(maxKey)
	if err != nil {
		return err
	}
	key := asString(name)
	_, again := h.byKey[key]
	switch {
	case key == "":
		return p.fail(at, "empty", "a key must have a name")
	case bytes.IndexByte(name, 0) >= 0:
		return p.fail(at, words.Literal(key), "must not contain a NUL byte")
	case again:
		return p.fail(at, words.Literal(key), "key %d has the same name", h.byKey[key])
	}
	p.field.name = key
	at = p.at()
	value, err := p.readValue()
	if err != nil {
		return err
	}
	if key == KeyAlignment {
		if h.alignment, err = p.alignment(at, value); err != nil {
			return err
		}
	}
	h.byKey[key] = int32(i)
	h.keys = append(h.keys, keyValue{key, value, at})
	return nil
}

func (p *parser) alignment(at int64, v Value) (uint64, error) {
	if v.Type() != ValueUint32 {
		return 0, p.fail(at, "of type "+v.Type().String(), "it must be uint32")
	}
	n, _ := v.Uint()
	if !validAlignment(n) {
		return 0, p.fail(at, v.String(), "it must be a power of two, and at most %d", maxAlignment)
	}
	return n, nil
}

func validAlignment(n uint64) bool { return n != 0 && n&(n-1) == 0 && n <= maxAlignment }

// text reads a string of at most limit bytes.
func (p *parser) text(limit uint64) ([]byte, error) {
	n, err := p.textLength(limit)
	if err != nil {
		return nil, err
	}
	b, err := p.get(8 + n)
	if err != nil {
		return nil, err
	}
	return b[8:], nil
}

// textLength returns the length of the next string, without consuming it. The file is large enough
// for it.
func (p *parser) textLength(limit uint64) (uint64, error) {
	if p.left() < 8 {
		return 0, p.short(p.at(), "", "needs 8 bytes, the file has %d left", p.left())
	}
	b, err := p.peek(8)
	if err != nil {
		return 0, p.unreadable(err)
	}
	switch n, left := order.Uint64(b), p.left()-8; {
	case n > left:
		return 0, p.short(p.at(), countText(n)+" bytes long", "the file has %d bytes left", left)
	case n > limit:
		return 0, p.fail(p.at(), countText(n)+" bytes long", "more than %d are not supported", limit)
	default:
		return n, nil
	}
}

// readValue reads a value with its type.
func (p *parser) readValue() (Value, error) {
	at := p.at()
	t, err := p.uint32()
	if err != nil {
		return Value{}, err
	}
	typ := ValueType(t)
	switch {
	case !typ.Valid():
		return Value{}, p.fail(at, fmt.Sprintf("of value type %d", t), "unknown value type")
	case typ == ValueArray:
		return p.readArray()
	case typ == ValueString:
		text, err := p.text(maxValue)
		if err != nil {
			return Value{}, err
		}
		return Value{typ: typ, data: text}, p.headerSize()
	}
	at = p.at()
	data, err := p.get(valueTypes[typ].size)
	if err != nil {
		return Value{}, err
	}
	if typ == ValueBool && data[0] > 1 {
		return Value{}, p.fail(at, fmt.Sprint(data[0]), "a bool must be 0 or 1")
	}
	return Value{typ: typ, data: data}, p.headerSize()
}

// headerSize limits the size of all metadata: a sparse file can have any size without taking disk
// space, and would cost only time.
func (p *parser) headerSize() error {
	if p.at() > p.limit {
		return p.fail(p.at(), "", "more than %d bytes of metadata are not supported", p.limit)
	}
	return nil
}

func (p *parser) readArray() (Value, error) {
	at := p.at()
	e, err := p.uint32()
	if err != nil {
		return Value{}, err
	}
	elem := ValueType(e)
	switch {
	case elem == ValueArray:
		return Value{}, p.fail(at, "an array of arrays", "the engine does not support it")
	case !elem.Valid():
		return Value{}, p.fail(at, fmt.Sprintf("an array of value type %d", e), "unknown value type")
	}
	at = p.at()
	n, err := p.uint64()
	if err != nil {
		return Value{}, err
	}
	size := valueTypes[elem].size
	if size == 0 {
		size = 8 // the length of a string
	}
	switch {
	case n > p.left()/size:
		return Value{}, p.short(at, fmt.Sprintf("an array of %s", countText(n)), "one takes at least %d bytes, the file has %d left", size, p.left())
	case n > uint64(p.limit)/size || n > maxValue/size && elem != ValueString:
		return Value{}, p.fail(at, fmt.Sprintf("an array of %s", countText(n)), "more than %d bytes are not supported", min(maxValue, p.limit))
	case elem == ValueString:
		return p.readStrings(n)
	}
	at = p.at()
	data, err := p.get(n * size)
	if err != nil {
		return Value{}, err
	}
	if elem == ValueBool {
		if i := slices.IndexFunc(data, func(b byte) bool { return b > 1 }); i >= 0 {
			return Value{}, p.fail(at+int64(i), fmt.Sprintf("%d in element %d", data[i], i), "a bool must be 0 or 1")
		}
	}
	return Value{typ: ValueArray, elem: elem, n: int(n), data: data}, p.headerSize()
}

func (p *parser) readStrings(n uint64) (Value, error) {
	var b stringArrayBuilder
	for range n {
		length, err := p.textLength(maxValue)
		if err != nil {
			return Value{}, err
		}
		if _, err := p.get(8 + length); err != nil {
			return Value{}, err
		}
		b.add(p.segment, p.next-8-int(length), p.next)
		if err := p.headerSize(); err != nil {
			return Value{}, err
		}
	}
	return b.value(), nil
}
