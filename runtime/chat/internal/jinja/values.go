package jinja

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// Value is one of nil, bool, int64, *big.Int, float64, [Text], *List, *Dict and the other types
// of this package.
type Value any

// undefined is the value of what does not exist; why says so in errors.
type undefined struct{ why string }

// listKind tells Python's sequences apart.
type listKind int

const (
	kList listKind = iota
	kTuple
	kGenerator // what filters such as map return: no length, always true
	kView      // of a dictionary
	kRange
)

// List is a sequence.
type List struct {
	Items []Value
	kind  listKind
}

// Dict keeps its keys in the order in which they were set.
type Dict struct {
	keys   []Value
	values []Value
	index  map[any]int
	space  bool // a namespace: attributes only
}

// NewDict returns an empty dictionary.
func NewDict() *Dict { return &Dict{index: map[any]int{}} }

// Set adds or replaces a value under a string.
func (d *Dict) Set(key Text, v Value) { d.set(key.S, key, v) }

// Get returns the value under a string.
func (d *Dict) Get(key string) (Value, bool) {
	if i, ok := d.index[key]; ok {
		return d.values[i], true
	}
	return nil, false
}

// Len is the number of keys.
func (d *Dict) Len() int { return len(d.keys) }

func (d *Dict) set(h any, key, v Value) {
	if i, ok := d.index[h]; ok {
		d.values[i] = v
		return
	}
	d.index[h] = len(d.keys)
	d.keys, d.values = append(d.keys, key), append(d.values, v)
}

func (d *Dict) remove(h any) {
	i := d.index[h]
	d.keys, d.values = append(d.keys[:i:i], d.keys[i+1:]...), append(d.values[:i:i], d.values[i+1:]...)
	delete(d.index, h)
	for k, at := range d.index {
		if at > i {
			d.index[k] = at - 1
		}
	}
}

// hash returns the key of a Go map for a value: equal values have equal keys.
func (ev *eval) hash(v Value) (any, error) {
	switch v := v.(type) {
	case nil:
		return struct{}{}, nil
	case Text:
		return v.S, nil
	case bool:
		if v {
			return int64(1), nil
		}
		return int64(0), nil
	case int64:
		return v, nil
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int64(v), nil
		}
		return v, nil
	case *big.Int:
		return "\x00" + v.Text(62), nil
	case *List:
		if v.kind == kTuple {
			var b strings.Builder
			err := ev.hashTuple(&b, v, 0)
			return b.String(), err
		}
	case *undefined:
		return "\x00undefined", nil
	}
	return nil, failf("unhashable type: '%s'", typeName(v))
}

// hashTuple writes the key of a tuple: its length, and for each element the type, the length and the text
// of its key.
func (ev *eval) hashTuple(b *strings.Builder, v *List, depth int) error {
	if depth > maxNesting {
		return limitError("a value is nested too deeply")
	}
	if err := ev.bytes(32); err != nil {
		return err
	}
	fmt.Fprintf(b, "\x00tuple%d:", len(v.Items))
	for _, item := range v.Items {
		if err := ev.step(1); err != nil {
			return err
		}
		if l, ok := item.(*List); ok && l.kind == kTuple {
			if err := ev.hashTuple(b, l, depth+1); err != nil {
				return err
			}
			continue
		}
		h, err := ev.hash(item)
		if err != nil {
			return err
		}
		text := fmt.Sprint(h)
		if err := ev.bytes(len(text) + 32); err != nil {
			return err
		}
		fmt.Fprintf(b, "%T%d:%s", h, len(text), text)
	}
	return nil
}

// function is what can be called.
type function struct {
	name string
	call func(ev *eval, a *args) (Value, error)
}

// small returns an int64 if the number fits one.
func small(n *big.Int) Value {
	if n.IsInt64() {
		return n.Int64()
	}
	return n
}

// typeName is Python's name of a value's type.
func typeName(v Value) string {
	switch v := v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case int64, *big.Int:
		return "int"
	case float64:
		return "float"
	case Text:
		return "str"
	case *List:
		return []string{"list", "tuple", "generator", "dict_items", "range"}[v.kind]
	case *Dict:
		if v.space {
			return "Namespace"
		}
		return "dict"
	case *undefined:
		return "Undefined"
	case *loop:
		return "LoopContext"
	}
	return "function"
}

func truth(v Value) bool {
	switch v := v.(type) {
	case nil, *undefined:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case Text:
		return v.S != ""
	case *List:
		return len(v.Items) > 0 || v.kind == kGenerator
	case *Dict:
		return len(v.keys) > 0 || v.space
	}
	return true
}

// repr returns a float as Python prints it.
func floatRepr(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	s := strconv.FormatFloat(f, 'e', -1, 64)
	mantissa, exponent, _ := strings.Cut(s, "e")
	if n, _ := strconv.Atoi(exponent); n < -4 || n >= 16 {
		sign := exponent[:1]
		digits := strings.TrimLeft(exponent[1:], "0")
		return mantissa + "e" + sign + strings.Repeat("0", max(0, 2-len(digits))) + digits
	}
	s = strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// str is Python's str(v).
func (ev *eval) str(v Value) (Text, error) {
	switch v := v.(type) {
	case Text:
		return v, nil
	case *undefined:
		return Text{}, nil
	}
	w := &writer{}
	err := ev.repr(w, v, 0)
	return w.done(), err
}

// repr writes Python's repr(v).
func (ev *eval) repr(w *writer, v Value, depth int) error {
	if depth > maxNesting {
		return limitError("a value is nested too deeply")
	}
	if err := ev.step(1); err != nil {
		return err
	}
	from := w.len()
	switch v := v.(type) {
	case nil:
		w.plain("None")
	case bool:
		w.plain(map[bool]string{true: "True", false: "False"}[v])
	case int64:
		w.plain(strconv.FormatInt(v, 10))
	case *big.Int:
		w.plain(v.String())
	case float64:
		w.plain(floatRepr(v))
	case Text:
		w.text(v.like(quote(v.S)))
	case *undefined:
		w.plain("Undefined")
	case *List:
		if err := ev.reprList(w, v, depth); err != nil {
			return err
		}
	case *Dict:
		if v.space {
			w.plain("<Namespace ")
			defer w.plain(">")
		}
		w.plain("{")
		for i, k := range v.keys {
			if i > 0 {
				w.plain(", ")
			}
			if err := ev.repr(w, k, depth+1); err != nil {
				return err
			}
			w.plain(": ")
			if err := ev.repr(w, v.values[i], depth+1); err != nil {
				return err
			}
		}
		w.plain("}")
	case *function:
		w.plain("<" + v.name + ">")
	default:
		w.plain("<" + typeName(v) + ">")
	}
	if depth > 0 { // what is around it counts it again
		return nil
	}
	return ev.bytes(w.len() - from)
}

func (ev *eval) reprList(w *writer, v *List, depth int) error {
	begin, end := "[", "]"
	switch v.kind {
	case kTuple:
		begin, end = "(", ")"
		if len(v.Items) == 1 {
			end = ",)"
		}
	case kGenerator:
		w.plain("<generator object>")
		return nil
	case kView:
		begin, end = "dict_items([", "])"
	case kRange:
		w.plain("range(0, " + strconv.Itoa(len(v.Items)) + ")")
		return nil
	}
	w.plain(begin)
	for i, item := range v.Items {
		if i > 0 {
			w.plain(", ")
		}
		if err := ev.repr(w, item, depth+1); err != nil {
			return err
		}
		if w.len() > ev.limits.Bytes {
			return ev.bytes(w.len())
		}
	}
	w.plain(end)
	return nil
}

// quote is Python's repr of a string.
func quote(s string) string {
	q := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, "\"") {
		q = '"'
	}
	var b strings.Builder
	b.WriteByte(q)
	for _, r := range s {
		switch {
		case r == rune(q) || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ' || r == 0x7f || r >= 0x80 && r <= 0xa0 || r == 0xad:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x80 || strconv.IsPrint(r):
			b.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteByte(q)
	return b.String()
}

// parseNumber reads a number of JSON.
func parseNumber(s string) (Value, error) {
	if !strings.ContainsAny(s, ".eE") {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n, nil
		}
		if len(s) > maxDigits/4 {
			return nil, failf("a number has more than %d digits", maxDigits/4)
		}
		n, _ := new(big.Int).SetString(s, 10)
		return small(n), nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if math.IsInf(f, 0) {
		return f, nil
	}
	return f, err
}
