// Package metadata formats the keys and values of a model's file as JSON and as text.
package metadata

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/seed7adf6694/infer/cmd/infer/internal/texts"
	"github.com/seed7adf6694/infer/loader/gguf"
)

// shownElements is the number of elements of an array that are shown without full.
const shownElements = 6

// List has the keys and values of a file, in the file's order.
type List []Entry

// Entry is a key with its value.
type Entry struct {
	Key   string
	value gguf.Value
	full  bool
}

// Read returns the metadata of a file. With full, arrays and strings are not abbreviated.
func Read(index *gguf.Index, full bool) List {
	m := List{}
	for k, v := range index.Metadata() {
		m = append(m, Entry{k, v, full})
	}
	return m
}

// MarshalJSON writes one object, in the order of the file.
func (m List) MarshalJSON() ([]byte, error) {
	var b strings.Builder
	b.WriteByte('{')
	for i, e := range m {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := texts.WriteJSON(&b, e.Key); err != nil {
			return nil, err
		}
		b.WriteByte(':')
		if err := texts.WriteJSON(&b, e.json()); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	return []byte(b.String()), nil
}

// jsonEntry is a value in JSON. Strings are complete; arrays are abbreviated without full.
type jsonEntry struct {
	Type    string `json:"type"`
	Element string `json:"element_type,omitempty"`
	Length  *int   `json:"length,omitempty"`
	Value   any    `json:"value"`
	Cut     bool   `json:"truncated,omitempty"`
}

func (e Entry) json() jsonEntry {
	v := e.value
	if v.Type() != gguf.ValueArray {
		return jsonEntry{Type: v.Type().String(), Value: plain(v)}
	}
	length, list := v.Len(), []any{}
	for i, x := range v.Elems() {
		if i == shownElements && !e.full {
			break
		}
		list = append(list, plain(x))
	}
	return jsonEntry{Type: v.Type().String(), Element: v.ElemType().String(), Length: &length, Value: list, Cut: len(list) < length}
}

// plain returns a scalar for JSON. Infinities and NaN become strings, since JSON has no numbers for
// them.
func plain(v gguf.Value) any {
	if s, ok := v.Str(); ok {
		return s
	}
	if b, ok := v.Bool(); ok {
		return b
	}
	if n, ok := v.Uint(); ok {
		return n
	}
	if n, ok := v.Int(); ok {
		return n
	}
	f, _ := v.Float()
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	if v.Type() == gguf.ValueFloat32 {
		return json.Number(strconv.FormatFloat(f, 'g', -1, 32)) // not 9.999999747378752e-06
	}
	return f
}

// Kind returns the type as text: string, uint32, string[32000].
func (e Entry) Kind() string {
	if e.value.Type() == gguf.ValueArray {
		return fmt.Sprintf("%s[%d]", e.value.ElemType(), e.value.Len())
	}
	return e.value.Type().String()
}

// Text returns the value as one line for a terminal.
func (e Entry) Text() string {
	v := e.value
	if v.Type() != gguf.ValueArray {
		return scalarText(v, e.full)
	}
	var parts []string
	for i, x := range v.Elems() {
		if i == shownElements && !e.full {
			parts = append(parts, "…")
			break
		}
		part := scalarText(x, e.full)
		if _, ok := x.Str(); ok && !strings.HasPrefix(part, `"`) {
			part = strconv.Quote(part) // quote: commas and spaces are frequent in vocabularies
		}
		parts = append(parts, part)
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func scalarText(v gguf.Value, full bool) string {
	if s, ok := v.Str(); ok {
		return texts.Visible(s, full)
	}
	switch p := plain(v).(type) {
	case float64:
		return strconv.FormatFloat(p, 'g', -1, 64)
	default:
		return fmt.Sprint(p)
	}
}
