package jinja

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"
)

func listFilters() map[string]func(*eval, Value, *args) (Value, error) {
	return map[string]func(*eval, Value, *args) (Value, error){
		"list": func(ev *eval, v Value, a *args) (Value, error) {
			items, err := ev.iterate(v)
			return &List{Items: slices.Clone(items)}, err
		},
		"first": end(false), "last": end(true), "join": joinFilter, "items": items, "dictsort": dictsort,
		"reverse": reverse, "sort": sortFilter, "unique": unique, "min": extreme(-1), "max": extreme(1), "sum": sum,
		"map": mapFilter, "select": choose(true, false), "reject": choose(false, false), "selectattr": choose(true, true), "rejectattr": choose(false, true),
		"batch": batch, "slice": slice, "groupby": groupby,
	}
}

func end(last bool) func(*eval, Value, *args) (Value, error) {
	return func(ev *eval, v Value, a *args) (Value, error) {
		items, err := ev.iterate(v)
		switch {
		case err != nil:
			return nil, err
		case len(items) == 0:
			return &undefined{"the sequence was empty"}, nil
		case last:
			return items[len(items)-1], nil
		}
		return items[0], nil
	}
}

// getter returns what attribute="a.b" of several filters reads of an element.
func getter(ev *eval, path Value, otherwise Value) func(Value) (Value, error) {
	var keys []Value
	switch p := path.(type) {
	case nil:
	case Text:
		for _, part := range strings.Split(p.S, ".") {
			keys = append(keys, key(part))
		}
	default:
		keys = []Value{path}
	}
	return func(v Value) (Value, error) {
		for _, k := range keys {
			var err error
			if v, err = ev.item(v, k); err != nil {
				return nil, err
			}
			if _, ok := v.(*undefined); ok && otherwise != nil {
				v = otherwise
			}
		}
		return v, nil
	}
}

// key is the key that a part of a path stands for: digits are an index.
func key(part string) Value {
	if n, err := strconv.ParseInt(part, 10, 32); err == nil && n >= 0 {
		return n
	}
	return plain(part)
}

func joinFilter(ev *eval, v Value, a *args) (Value, error) {
	sep, err := ev.str(a.take("d", Text{}))
	if err != nil {
		return nil, err
	}
	get := getter(ev, a.take("attribute", nil), nil)
	list, err := ev.iterate(v)
	if err != nil {
		return nil, err
	}
	parts := make([]Text, len(list))
	for i, item := range list {
		item, err := get(item)
		if err != nil {
			return nil, err
		}
		if parts[i], err = ev.str(item); err != nil {
			return nil, err
		}
	}
	return ev.join(sep, parts...)
}

func items(ev *eval, v Value, a *args) (Value, error) {
	switch v := v.(type) {
	case *undefined:
		return &List{kind: kGenerator}, nil
	case *Dict:
		if !v.space {
			return pairs(ev, v, kGenerator)
		}
	}
	return nil, failf("can only get item pairs from a mapping")
}

// ignoreCase is the key of sorting without case.
func ignoreCase(v Value) Value {
	if t, ok := v.(Text); ok {
		return plain(strings.ToLower(t.S))
	}
	return v
}

// sorted sorts by a key, and keeps the order of equal elements.
func sorted(ev *eval, list []Value, key func(Value) (Value, error), descending bool) ([]Value, error) {
	type entry struct{ key, v Value }
	entries := make([]entry, len(list))
	for i, v := range list {
		k, err := key(v)
		if err != nil {
			return nil, err
		}
		entries[i] = entry{k, v}
	}
	if err := ev.bytes(32 * len(list)); err != nil {
		return nil, err
	}
	var failed error
	slices.SortStableFunc(entries, func(a, b entry) int {
		if failed != nil {
			return 0
		}
		c, err := ev.order("<", a.key, b.key)
		failed = err
		if descending {
			return -c
		}
		return c
	})
	out := make([]Value, len(list))
	for i, e := range entries {
		out[i] = e.v
	}
	return out, failed
}

// keyed returns getter with or without case.
func keyed(ev *eval, attribute, otherwise Value, caseSensitive bool) func(Value) (Value, error) {
	get := getter(ev, attribute, otherwise)
	return func(v Value) (Value, error) {
		v, err := get(v)
		if !caseSensitive {
			v = ignoreCase(v)
		}
		return v, err
	}
}

func sortFilter(ev *eval, v Value, a *args) (Value, error) {
	descending, caseSensitive := truth(a.take("reverse", false)), truth(a.take("case_sensitive", false))
	key := keyed(ev, a.take("attribute", nil), nil, caseSensitive)
	list, err := ev.iterate(v)
	if err != nil {
		return nil, err
	}
	list, err = sorted(ev, list, key, descending)
	return &List{Items: list}, err
}

func dictsort(ev *eval, v Value, a *args) (Value, error) {
	d, ok := v.(*Dict)
	if !ok {
		if u, ok := v.(*undefined); ok {
			return nil, u.fail()
		}
		return nil, failf("'%s object' has no attribute 'items'", typeName(v))
	}
	caseSensitive := truth(a.take("case_sensitive", false))
	by, _, err := textArg(a, "by")
	if err != nil {
		return nil, err
	}
	at := int64(0)
	if by.S == "value" {
		at = 1
	}
	descending := truth(a.take("reverse", false))
	l, err := pairs(ev, d, kList)
	if err != nil {
		return nil, err
	}
	l.Items, err = sorted(ev, l.Items, keyed(ev, at, nil, caseSensitive), descending)
	return l, err
}

func reverse(ev *eval, v Value, a *args) (Value, error) {
	list, err := ev.iterate(v)
	if err != nil {
		return nil, err
	}
	list = slices.Clone(list)
	slices.Reverse(list)
	if _, ok := v.(Text); ok {
		return joinMethod(ev, Text{}, &args{list: []Value{&List{Items: list}}})
	}
	return &List{Items: list, kind: kGenerator}, nil
}

func unique(ev *eval, v Value, a *args) (Value, error) {
	caseSensitive := truth(a.take("case_sensitive", false))
	key := keyed(ev, a.take("attribute", nil), nil, caseSensitive)
	list, err := ev.iterate(v)
	if err != nil {
		return nil, err
	}
	seen := map[any]bool{}
	out := &List{kind: kGenerator}
	for _, item := range list {
		k, err := key(item)
		if err != nil {
			return nil, err
		}
		h, err := ev.hash(k)
		if err != nil {
			return nil, err
		}
		if !seen[h] {
			seen[h] = true
			out.Items = append(out.Items, item)
		}
	}
	return out, ev.bytes(32 * len(list))
}

func extreme(sign int) func(*eval, Value, *args) (Value, error) {
	return func(ev *eval, v Value, a *args) (Value, error) {
		caseSensitive := truth(a.take("case_sensitive", false))
		key := keyed(ev, a.take("attribute", nil), nil, caseSensitive)
		list, err := ev.iterate(v)
		if err != nil {
			return nil, err
		}
		if list, err = sorted(ev, list, key, sign > 0); err != nil {
			return nil, err
		}
		return end(false)(ev, &List{Items: list}, &args{})
	}
}

func sum(ev *eval, v Value, a *args) (Value, error) {
	get := getter(ev, a.take("attribute", nil), nil)
	total := a.take("start", int64(0))
	list, err := ev.iterate(v)
	for _, item := range list {
		if item, err = get(item); err != nil {
			return nil, err
		}
		if total, err = ev.arithmetic("+", total, item); err != nil {
			return nil, err
		}
	}
	return total, err
}

func mapFilter(ev *eval, v Value, a *args) (Value, error) {
	if !truth(v) {
		return &List{kind: kGenerator}, nil
	}
	list, err := ev.iterate(v)
	if err != nil {
		return nil, err
	}
	var f func(Value) (Value, error)
	if path, ok := a.named["attribute"]; ok && len(a.list) == 0 {
		f = getter(ev, path, a.named["default"])
	} else {
		name, _, err := textArg(a, "filter")
		if err != nil {
			return nil, err
		}
		rest := a.list[min(1, len(a.list)):]
		f = func(v Value) (Value, error) {
			return ev.filter(name.S, v, &args{list: rest, named: cloned(a.named), order: a.order})
		}
	}
	out := &List{kind: kGenerator}
	for _, item := range list {
		item, err := f(item)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, item)
	}
	return out, ev.bytes(16 * len(list))
}

func cloned(m map[string]Value) map[string]Value {
	out := make(map[string]Value, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

// choose is select and reject, and those of an attribute.
func choose(keep, ofAttribute bool) func(*eval, Value, *args) (Value, error) {
	return func(ev *eval, v Value, a *args) (Value, error) {
		if !truth(v) {
			return &List{kind: kGenerator}, nil
		}
		get := func(v Value) (Value, error) { return v, nil }
		if ofAttribute {
			if len(a.list) == 0 {
				return nil, failf("missing parameter for attribute name")
			}
			get = getter(ev, a.take("attribute", nil), nil)
		}
		name, given, err := textArg(a, "test")
		if err != nil {
			return nil, err
		}
		rest := a.list[a.used:]
		list, err := ev.iterate(v)
		if err != nil {
			return nil, err
		}
		out := &List{kind: kGenerator}
		for _, item := range list {
			of, err := get(item)
			if err != nil {
				return nil, err
			}
			ok := truth(of)
			if given {
				if ok, err = ev.test(name.S, of, &args{list: rest}); err != nil {
					return nil, err
				}
			}
			if ok == keep {
				out.Items = append(out.Items, item)
			}
		}
		return out, ev.bytes(16 * len(out.Items))
	}
}

func batch(ev *eval, v Value, a *args) (Value, error) {
	n, err := intArg(a, "linecount", 0)
	if err != nil {
		return nil, err
	}
	fill := a.take("fill_with", nil)
	list, err := ev.iterate(v)
	if err != nil {
		return nil, err
	}
	if n < 1 || n > maxRange {
		return nil, failf("batch wants a size of 1 to %d", maxRange)
	}
	out := &List{kind: kGenerator}
	for part := range slices.Chunk(list, n) {
		part = slices.Clone(part)
		for fill != nil && len(part) < n {
			part = append(part, fill)
		}
		out.Items = append(out.Items, &List{Items: part})
	}
	return out, ev.bytes(16 * (len(list) + n))
}

func slice(ev *eval, v Value, a *args) (Value, error) {
	n, err := intArg(a, "slices", 0)
	if err != nil {
		return nil, err
	}
	fill := a.take("fill_with", nil)
	list, err := ev.iterate(v)
	if err != nil {
		return nil, err
	}
	if n < 1 || n > maxRange {
		return nil, failf("slice wants a number of 1 to %d", maxRange)
	}
	each, extra, from := len(list)/n, len(list)%n, 0
	out := &List{kind: kGenerator}
	for i := range n {
		to := from + each
		if i < extra {
			to++
		}
		part := slices.Clone(list[from:to])
		if fill != nil && i >= extra {
			part = append(part, fill)
		}
		out.Items = append(out.Items, &List{Items: part})
		from = to
	}
	return out, ev.bytes(16 * (len(list) + 2*n))
}

func groupby(ev *eval, v Value, a *args) (Value, error) {
	path, otherwise := a.take("attribute", nil), a.take("default", nil)
	caseSensitive := truth(a.take("case_sensitive", false))
	key, get := keyed(ev, path, otherwise, caseSensitive), getter(ev, path, otherwise)
	list, err := ev.iterate(v)
	if err != nil {
		return nil, err
	}
	if list, err = sorted(ev, list, key, false); err != nil {
		return nil, err
	}
	out := &List{}
	var last Value
	var group *List
	for i, item := range list {
		k, err := key(item)
		if err != nil {
			return nil, err
		}
		same := false
		if i > 0 {
			if same, err = ev.equal(k, last, 0); err != nil {
				return nil, err
			}
		}
		if !same {
			name, err := get(item)
			if err != nil {
				return nil, err
			}
			group = &List{}
			out.Items = append(out.Items, &List{Items: []Value{name, group}, kind: kTuple})
		}
		group.Items = append(group.Items, item)
		last = k
	}
	return out, ev.bytes(64 * len(list))
}

// fromjson reads a value from JSON; transformers has no such filter, llama.cpp does.
func fromjson(ev *eval, v Value, a *args) (Value, error) {
	t, ok := v.(Text)
	if !ok {
		return nil, failf("the JSON object must be str, not %s", typeName(v))
	}
	if err := ev.bytes(64 * len(t.S)); err != nil {
		return nil, err
	}
	value, err := FromJSON([]byte(t.S), func(s string) Text { return t.like(s) })
	if err != nil {
		return nil, failf("invalid JSON: %v", err)
	}
	return value, nil
}

// FromJSON returns the value of a JSON text, with keys in its order and numbers as Python reads
// them. text makes the strings.
func FromJSON(data []byte, text func(string) Text) (Value, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := decode(d, text, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, failf("more than one value")
	}
	return v, nil
}

func decode(d *json.Decoder, text func(string) Text, depth int) (Value, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	if depth > maxNesting {
		return nil, failf("nested too deeply")
	}
	switch t := t.(type) {
	case string:
		return text(t), nil
	case json.Number:
		return parseNumber(string(t))
	case json.Delim:
		if t == '[' {
			l := &List{}
			for d.More() {
				v, err := decode(d, text, depth+1)
				if err != nil {
					return nil, err
				}
				l.Items = append(l.Items, v)
			}
			_, err := d.Token()
			return l, err
		}
		o := NewDict()
		for d.More() {
			k, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := decode(d, text, depth+1)
			if err != nil {
				return nil, err
			}
			o.Set(text(k.(string)), v)
		}
		_, err := d.Token()
		return o, err
	}
	return t, nil // nil or bool
}
