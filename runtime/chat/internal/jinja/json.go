package jinja

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// jsonWriter is Python's json.dumps with ensure_ascii=False.
type jsonWriter struct {
	ev        *eval
	w         *writer
	item, key string
	indent    string
	pretty    bool
	sort      bool
	ensure    bool
}

// tojson is transformers' filter of that name.
func tojson(ev *eval, v Value, a *args) (Value, error) {
	j := jsonWriter{ev: ev, w: &writer{}, item: ", ", key: ": "}
	j.ensure = truth(a.take("ensure_ascii", false))
	switch n := a.take("indent", nil).(type) {
	case nil:
	case Text:
		j.pretty, j.indent, j.item = true, n.S, ","
	default:
		i := integer(n)
		if i == nil || i.BitLen() > 10 {
			return nil, failf("tojson: invalid indent")
		}
		j.pretty, j.indent, j.item = true, strings.Repeat(" ", max(0, int(i.Int64()))), ","
	}
	if l, ok := a.take("separators", nil).(*List); ok {
		if len(l.Items) != 2 {
			return nil, failf("tojson: separators must be two strings")
		}
		item, ok := l.Items[0].(Text)
		key, ok2 := l.Items[1].(Text)
		if !ok || !ok2 {
			return nil, failf("tojson: separators must be two strings")
		}
		j.item, j.key = item.S, key.S
	}
	j.sort = truth(a.take("sort_keys", false))
	if err := a.done("tojson"); err != nil {
		return nil, err
	}
	err := j.value(v, 0)
	return j.w.done(), err
}

func (j *jsonWriter) line(depth int) {
	if j.pretty {
		j.w.plain("\n" + strings.Repeat(j.indent, depth))
	}
}

func (j *jsonWriter) value(v Value, depth int) error {
	if depth > maxNesting {
		return limitError("a value is nested too deeply")
	}
	if err := j.ev.bytes(8 + depth*len(j.indent)); err != nil {
		return err
	}
	switch v := v.(type) {
	case nil:
		j.w.plain("null")
	case bool:
		j.w.plain(strconv.FormatBool(v))
	case int64:
		j.w.plain(strconv.FormatInt(v, 10))
	case *big.Int:
		j.w.plain(v.String())
	case float64:
		s := floatRepr(v)
		if to, ok := map[string]string{"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[s]; ok {
			s = to
		}
		j.w.plain(s)
	case Text:
		return j.text(v)
	case *List:
		if v.kind > kTuple {
			return failf("Object of type %s is not JSON serializable", typeName(v))
		}
		return j.list(v, depth)
	case *Dict:
		if v.space {
			return failf("Object of type Namespace is not JSON serializable")
		}
		return j.dict(v, depth)
	default:
		return failf("Object of type %s is not JSON serializable", typeName(v))
	}
	return nil
}

func (j *jsonWriter) list(l *List, depth int) error {
	if len(l.Items) == 0 {
		j.w.plain("[]")
		return nil
	}
	j.w.plain("[")
	for i, item := range l.Items {
		if i > 0 {
			j.w.plain(j.item)
		}
		j.line(depth + 1)
		if err := j.value(item, depth+1); err != nil {
			return err
		}
	}
	j.line(depth)
	j.w.plain("]")
	return nil
}

func (j *jsonWriter) dict(d *Dict, depth int) error {
	if len(d.keys) == 0 {
		j.w.plain("{}")
		return nil
	}
	order := make([]int, len(d.keys))
	names := make([]Text, len(d.keys))
	for i, k := range d.keys {
		order[i] = i
		switch k := k.(type) {
		case Text:
			names[i] = k
		case nil, bool, int64, float64, *big.Int:
			inner := jsonWriter{ev: j.ev, w: &writer{}}
			if err := inner.value(k, 0); err != nil {
				return err
			}
			names[i] = inner.w.done()
		default:
			return failf("keys must be str, int, float, bool or None, not %s", typeName(k))
		}
	}
	if j.sort {
		slices.SortStableFunc(order, func(a, b int) int { return strings.Compare(names[a].S, names[b].S) })
	}
	j.w.plain("{")
	for n, i := range order {
		if n > 0 {
			j.w.plain(j.item)
		}
		j.line(depth + 1)
		if err := j.text(names[i]); err != nil {
			return err
		}
		j.w.plain(j.key)
		if err := j.value(d.values[i], depth+1); err != nil {
			return err
		}
	}
	j.line(depth)
	j.w.plain("}")
	return nil
}

var jsonEscapes = map[rune]string{'"': `\"`, '\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\b': `\b`, '\f': `\f`}

func (j *jsonWriter) text(t Text) error {
	if err := j.ev.bytes(2*len(t.S) + 2); err != nil {
		return err
	}
	j.w.plain("\"")
	from := 0
	for i, r := range t.S {
		to, ok := jsonEscapes[r]
		switch {
		case ok:
		case r < ' ':
			to = fmt.Sprintf(`\u%04x`, r)
		case j.ensure && r >= 0x10000:
			r -= 0x10000
			to = fmt.Sprintf(`\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		case j.ensure && r >= 0x7f && r != 0x7f:
			to = fmt.Sprintf(`\u%04x`, r)
		default:
			continue
		}
		j.w.text(t.cut(from, i))
		j.w.text(t.like(to))
		from = i + runeLen(t.S[i:])
	}
	j.w.text(t.cut(from, len(t.S)))
	j.w.plain("\"")
	return nil
}
