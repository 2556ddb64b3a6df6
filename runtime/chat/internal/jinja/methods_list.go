package jinja

import "slices"

// listMethods are Python's methods of lists. transformers' sandbox refuses those that change a
// list; llama.cpp allows them, and templates use them.
var listMethods map[string]func(ev *eval, l *List, a *args) (Value, error)

// dictMethods are those of dictionaries.
var dictMethods map[string]func(ev *eval, d *Dict, a *args) (Value, error)

func init() {
	listMethods = map[string]func(ev *eval, l *List, a *args) (Value, error){
		"append": func(ev *eval, l *List, a *args) (Value, error) {
			l.Items = append(l.Items, a.take("object", nil))
			return nil, ev.step(1)
		},
		"extend": func(ev *eval, l *List, a *args) (Value, error) {
			items, err := ev.iterate(a.take("iterable", nil))
			if err == nil {
				err = ev.bytes(16 * len(items))
			}
			if err == nil {
				l.Items = append(l.Items, items...)
			}
			return nil, err
		},
		"insert": func(ev *eval, l *List, a *args) (Value, error) {
			i, err := intArg(a, "index", 0)
			if err != nil {
				return nil, err
			}
			if i < 0 {
				i += len(l.Items)
			}
			l.Items = slices.Insert(l.Items, min(max(i, 0), len(l.Items)), a.take("object", nil))
			return nil, ev.step(1 + len(l.Items)>>4)
		},
		"pop": func(ev *eval, l *List, a *args) (Value, error) {
			i, ok := position(a.take("index", int64(-1)), len(l.Items))
			if !ok {
				return nil, failf("pop index out of range")
			}
			v := l.Items[i]
			l.Items = slices.Concat(l.Items[:i], l.Items[i+1:])
			return v, ev.bytes(16 * len(l.Items))
		},
		"reverse": func(ev *eval, l *List, a *args) (Value, error) {
			l.Items = slices.Clone(l.Items)
			slices.Reverse(l.Items)
			return nil, ev.bytes(16 * len(l.Items))
		},
		"copy": func(ev *eval, l *List, a *args) (Value, error) {
			return &List{Items: slices.Clone(l.Items)}, ev.bytes(16 * len(l.Items))
		},
		"index": func(ev *eval, l *List, a *args) (Value, error) { return indexOf(ev, l, a.take("value", nil)) },
		"count": func(ev *eval, l *List, a *args) (Value, error) {
			n, v := int64(0), a.take("value", nil)
			for _, item := range l.Items {
				same, err := ev.equal(item, v, 0)
				if err != nil {
					return nil, err
				}
				if same {
					n++
				}
			}
			return n, nil
		},
	}
	dictMethods = methodsOfDict()
}

func methodsOfDict() map[string]func(ev *eval, d *Dict, a *args) (Value, error) {
	return map[string]func(ev *eval, d *Dict, a *args) (Value, error){
		"items": func(ev *eval, d *Dict, a *args) (Value, error) { return pairs(ev, d, kView) },
		"keys": func(ev *eval, d *Dict, a *args) (Value, error) {
			return &List{Items: slices.Clone(d.keys), kind: kView}, ev.bytes(16 * len(d.keys))
		},
		"values": func(ev *eval, d *Dict, a *args) (Value, error) {
			return &List{Items: slices.Clone(d.values), kind: kView}, ev.bytes(16 * len(d.keys))
		},
		"copy": func(ev *eval, d *Dict, a *args) (Value, error) {
			c := NewDict()
			return c, ev.update(c, d)
		},
		"get": func(ev *eval, d *Dict, a *args) (Value, error) {
			key := a.take("key", nil)
			otherwise := a.take("default", nil)
			h, err := ev.hash(key)
			if err != nil {
				return nil, err
			}
			if i, ok := d.index[h]; ok {
				return d.values[i], nil
			}
			return otherwise, nil
		},
		"pop":        popKey,
		"update":     func(ev *eval, d *Dict, a *args) (Value, error) { return nil, updateAll(ev, d, a) },
		"setdefault": setDefault,
	}
}

func indexOf(ev *eval, l *List, v Value) (Value, error) {
	for i, item := range l.Items {
		if same, err := ev.equal(item, v, 0); err != nil || same {
			return int64(i), err
		}
	}
	return nil, failf("the value is not in list")
}

func pairs(ev *eval, d *Dict, kind listKind) (*List, error) {
	l := &List{kind: kind}
	for i, k := range d.keys {
		l.Items = append(l.Items, &List{Items: []Value{k, d.values[i]}, kind: kTuple})
	}
	return l, ev.bytes(64 * len(d.keys))
}

func popKey(ev *eval, d *Dict, a *args) (Value, error) {
	key := a.take("key", nil)
	otherwise, given := Value(nil), a.used < len(a.list)
	otherwise = a.take("default", nil)
	h, err := ev.hash(key)
	if err != nil {
		return nil, err
	}
	i, ok := d.index[h]
	if !ok {
		if !given {
			return nil, failf("the key is not in the dictionary")
		}
		return otherwise, nil
	}
	v := d.values[i]
	d.remove(h)
	return v, ev.bytes(32 * len(d.keys))
}

// update sets the keys of a dictionary, or of a list of pairs.
func (ev *eval) update(d *Dict, from Value) error {
	if o, ok := from.(*Dict); ok {
		if err := ev.bytes(64 * len(o.keys)); err != nil {
			return err
		}
		for i, k := range o.keys {
			h, err := ev.hash(k)
			if err != nil {
				return err
			}
			d.set(h, k, o.values[i])
		}
		return nil
	}
	items, err := ev.iterate(from)
	for _, item := range items {
		pair, err := ev.iterate(item)
		if err != nil {
			return err
		}
		if len(pair) != 2 {
			return failf("dictionary update sequence element has length %d; 2 is required", len(pair))
		}
		h, err := ev.hash(pair[0])
		if err != nil {
			return err
		}
		d.set(h, pair[0], pair[1])
	}
	return err
}

func updateAll(ev *eval, d *Dict, a *args) error {
	if len(a.list) > 0 {
		if err := ev.update(d, a.list[0]); err != nil {
			return err
		}
	}
	for _, k := range a.order {
		d.Set(plain(k), a.named[k])
	}
	return nil
}

func setDefault(ev *eval, d *Dict, a *args) (Value, error) {
	key, v := a.take("key", nil), a.take("default", nil)
	h, err := ev.hash(key)
	if err != nil {
		return nil, err
	}
	if i, ok := d.index[h]; ok {
		return d.values[i], nil
	}
	d.set(h, key, v)
	return v, ev.step(1)
}
