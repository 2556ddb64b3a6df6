package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds on schemas.
const (
	maxBytes = 1 << 20 // of a schema
	maxDepth = 100     // of nested values
)

type kind uint8

const (
	null kind = iota
	boolean
	number
	text
	array
	object
)

func (k kind) String() string {
	return [...]string{"null", "a boolean", "a number", "a string", "an array", "an object"}[k]
}

// value is a JSON value. Objects keep their order.
type value struct {
	kind   kind
	text   string   // of a string; the literal of a number or a boolean
	list   []*value // elements of an array, values of an object
	keys   []string // of an object
	parent *value
	name   string // key or index in the parent
	id     int    // number of the value in its schema

	rat *big.Rat // of a number, once it is needed
}

// parse reads a schema.
func parse(data []byte) (*value, error) {
	root := (*value)(nil)
	if len(data) > maxBytes {
		return nil, root.fail("", "%d bytes are too long (at most %d)", len(data), maxBytes)
	}
	if !utf8.Valid(data) {
		return nil, root.fail("", "not valid UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	n := 0
	v, err := parseValue(d, nil, "", 0, &n)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, root.fail("", "no JSON: something follows the value at byte %d", d.InputOffset())
	}
	return v, nil
}

func parseValue(d *json.Decoder, parent *value, name string, depth int, n *int) (*value, error) {
	v := &value{parent: parent, name: name, id: *n}
	*n++
	if depth > maxDepth {
		return nil, v.fail("", "nested deeper than %d levels", maxDepth)
	}
	token, err := d.Token()
	if err != nil {
		return nil, v.notJSON(d, err)
	}
	switch t := token.(type) {
	case nil:
	case bool:
		v.kind, v.text = boolean, strconv.FormatBool(t)
	case json.Number:
		v.kind, v.text = number, t.String()
	case string:
		v.kind, v.text = text, t
	case json.Delim:
		v.kind = array
		if t == '{' {
			v.kind = object
		}
		if err := v.parseElements(d, depth, n); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func (v *value) parseElements(d *json.Decoder, depth int, n *int) error {
	seen := map[string]bool{}
	for d.More() {
		name := strconv.Itoa(len(v.list))
		if v.kind == object {
			key, err := d.Token()
			if err != nil {
				return v.notJSON(d, err)
			}
			name = key.(string)
			if seen[name] {
				return v.fail(name, "it is there twice")
			}
			seen[name] = true
			v.keys = append(v.keys, name)
		}
		e, err := parseValue(d, v, name, depth+1, n)
		if err != nil {
			return err
		}
		v.list = append(v.list, e)
	}
	if _, err := d.Token(); err != nil {
		return v.notJSON(d, err)
	}
	return nil
}

func (v *value) notJSON(d *json.Decoder, err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return v.fail("", "no JSON: it ends too early")
	}
	return v.fail("", "no JSON: %s at byte %d", strings.TrimPrefix(err.Error(), "json: "), d.InputOffset())
}

// get returns the value of a key of an object, nil if there is none.
func (v *value) get(key string) *value {
	if i := slices.Index(v.keys, key); i >= 0 && v.kind == object {
		return v.list[i]
	}
	return nil
}

// maxDigits bounds the digits of numbers that are computed with, also those of an exponent's zeros.
const maxDigits = 1100

// number returns the value of a number.
func (v *value) number(keyword string) (*big.Rat, error) {
	if v.rat != nil {
		return v.rat, nil
	}
	at := v
	if v.parent != nil && v.name == keyword {
		at = v.parent
	}
	if v.kind != number {
		return nil, at.fail(keyword, "want a number, not %s", v.kind)
	}
	digits, exponent := v.text, 0
	if i := strings.IndexAny(v.text, "eE"); i >= 0 {
		var err error
		digits = v.text[:i]
		if exponent, err = strconv.Atoi(v.text[i+1:]); err != nil {
			exponent = maxDigits
		}
	}
	rat, ok := new(big.Rat), len(digits) < maxDigits && exponent < maxDigits && exponent > -maxDigits
	if ok {
		rat, ok = rat.SetString(v.text)
	}
	if !ok {
		return nil, at.fail(keyword, "the number has more than %d digits", maxDigits)
	}
	v.rat = rat
	return rat, nil
}

// equal reports whether two values are the same to JSON schema: 1 is 1.0, and keys have no order.
func equal(a, b *value) bool {
	if a.kind != b.kind {
		return false
	}
	switch a.kind {
	case null:
		return true
	case number:
		x, errX := a.number("")
		y, errY := b.number("")
		if errX != nil || errY != nil {
			return a.text == b.text
		}
		return x.Cmp(y) == 0
	case array:
		return slices.EqualFunc(a.list, b.list, equal)
	case object:
		return len(a.keys) == len(b.keys) && !slices.ContainsFunc(a.keys, func(k string) bool {
			other := b.get(k)
			return other == nil || !equal(a.get(k), other)
		})
	}
	return a.text == b.text
}

// write writes a value as JSON without white space.
func (v *value) write(b *strings.Builder) {
	switch v.kind {
	case null:
		b.WriteString("null")
	case text:
		b.WriteString(quote(v.text))
	case array:
		b.WriteByte('[')
		for i, e := range v.list {
			if i > 0 {
				b.WriteByte(',')
			}
			e.write(b)
		}
		b.WriteByte(']')
	case object:
		b.WriteByte('{')
		for i, e := range v.list {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(quote(v.keys[i]) + ":")
			e.write(b)
		}
		b.WriteByte('}')
	default:
		b.WriteString(v.text)
	}
}

// quote returns a string as JSON, with no more escapes than JSON requires.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		if short, ok := shortEscapes[r]; ok {
			b.WriteString(short)
		} else if r < 0x20 {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// shortEscapes are those of characters that JSON does not allow as they are.
var shortEscapes = map[rune]string{'"': `\"`, '\\': `\\`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`}
