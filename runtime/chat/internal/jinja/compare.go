package jinja

import (
	"cmp"
	"math/big"
	"strings"
)

// number returns a number's exact value, or nil. Infinities and NaN are not exact.
func number(v Value) *big.Float {
	switch v := v.(type) {
	case bool:
		if v {
			return big.NewFloat(1)
		}
		return new(big.Float)
	case int64:
		return new(big.Float).SetPrec(64).SetInt64(v)
	case *big.Int:
		return new(big.Float).SetInt(v)
	case float64:
		if v-v == 0 {
			return big.NewFloat(v)
		}
	}
	return nil
}

func (ev *eval) equal(a, b Value, depth int) (bool, error) {
	if depth > maxNesting {
		return false, limitError("a value is nested too deeply")
	}
	if err := ev.step(1); err != nil {
		return false, err
	}
	switch x := a.(type) {
	case nil:
		return b == nil, nil
	case Text:
		y, ok := b.(Text)
		return ok && x.S == y.S, ev.step(len(x.S) >> 10)
	case *undefined:
		_, ok := b.(*undefined)
		return ok, nil
	case int64:
		if y, ok := b.(int64); ok {
			return x == y, nil
		}
	case *List:
		y, ok := b.(*List)
		if !ok || len(x.Items) != len(y.Items) || x.kind != y.kind {
			return false, nil
		}
		for i := range x.Items {
			if same, err := ev.equal(x.Items[i], y.Items[i], depth+1); err != nil || !same {
				return false, err
			}
		}
		return true, nil
	case *Dict:
		y, ok := b.(*Dict)
		if !ok || len(x.keys) != len(y.keys) || x.space || y.space {
			return x == y, nil
		}
		for h, i := range x.index {
			j, ok := y.index[h]
			if !ok {
				return false, nil
			}
			if same, err := ev.equal(x.values[i], y.values[j], depth+1); err != nil || !same {
				return false, err
			}
		}
		return true, nil
	}
	if x, y := number(a), number(b); x != nil && y != nil {
		return x.Cmp(y) == 0, nil
	}
	if x, ok := a.(float64); ok {
		y, ok := b.(float64)
		return ok && x == y, nil
	}
	if f, ok := a.(*function); ok {
		return f == b, nil
	}
	return false, nil
}

// order compares values as Python's < does; op is for the error.
func (ev *eval) order(op string, a, b Value) (int, error) {
	if err := ev.step(1); err != nil {
		return 0, err
	}
	if x, y := number(a), number(b); x != nil && y != nil {
		return x.Cmp(y), nil
	}
	switch x := a.(type) {
	case Text:
		if y, ok := b.(Text); ok {
			return strings.Compare(x.S, y.S), ev.step(min(len(x.S), len(y.S)) >> 10)
		}
	case *List:
		y, ok := b.(*List)
		if !ok || x.kind != y.kind || x.kind > kTuple {
			break
		}
		for i := range min(len(x.Items), len(y.Items)) {
			same, err := ev.equal(x.Items[i], y.Items[i], 0)
			if err != nil {
				return 0, err
			}
			if !same {
				return ev.nested(func() (int, error) { return ev.order(op, x.Items[i], y.Items[i]) })
			}
		}
		return cmp.Compare(len(x.Items), len(y.Items)), nil
	case *undefined:
		return 0, x.fail()
	}
	if u, ok := b.(*undefined); ok {
		return 0, u.fail()
	}
	return 0, failf("'%s' not supported between instances of '%s' and '%s'", op, typeName(a), typeName(b))
}

// nested runs f one level deeper.
func (ev *eval) nested(f func() (int, error)) (int, error) {
	if err := ev.enter(); err != nil {
		return 0, err
	}
	defer ev.leave()
	return f()
}

// contains is Python's "item in in".
func (ev *eval) contains(in, item Value) (bool, error) {
	switch c := in.(type) {
	case Text:
		s, ok := item.(Text)
		if !ok {
			return false, failf("'in <string>' requires string as left operand, not %s", typeName(item))
		}
		return strings.Contains(c.S, s.S), ev.step(len(c.S) >> 8)
	case *Dict:
		if c.space {
			break
		}
		h, err := ev.hash(item)
		if err != nil {
			return false, err
		}
		_, ok := c.index[h]
		return ok, nil
	case *undefined:
		return false, nil
	}
	items, err := ev.iterate(in)
	for _, v := range items {
		if same, e := ev.equal(v, item, 0); e != nil || same {
			return same, e
		}
	}
	return false, err
}

// iterate returns the elements of a value.
func (ev *eval) iterate(v Value) ([]Value, error) {
	switch v := v.(type) {
	case *List:
		items := v.Items
		if v.kind == kGenerator {
			v.Items = nil
		}
		return items, ev.step(len(items))
	case *Dict:
		if !v.space {
			return v.keys, ev.step(len(v.keys))
		}
	case Text:
		if err := ev.bytes(32 * len(v.S)); err != nil {
			return nil, err
		}
		var list []Value
		for at := 0; at < len(v.S); {
			n := runeLen(v.S[at:])
			list = append(list, v.cut(at, at+n))
			at += n
		}
		return list, nil
	case *undefined:
		return nil, nil
	}
	return nil, failf("'%s' object is not iterable", typeName(v))
}
