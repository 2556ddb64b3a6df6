package jinja

import (
	"math"
	"math/big"
)

// integer returns a whole number, or nil.
func integer(v Value) *big.Int {
	switch v := v.(type) {
	case bool:
		if v {
			return big.NewInt(1)
		}
		return new(big.Int)
	case int64:
		return big.NewInt(v)
	case *big.Int:
		return v
	}
	return nil
}

// float returns a number as a float64.
func float(v Value) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case *big.Int:
		f, _ := new(big.Float).SetInt(v).Float64()
		return f, true
	}
	if n := integer(v); n != nil {
		return float64(n.Int64()), true
	}
	return 0, false
}

// arithmetic computes a binary operator on values.
func (ev *eval) arithmetic(op string, a, b Value) (Value, error) {
	for _, v := range []Value{a, b} {
		if u, ok := v.(*undefined); ok {
			return nil, u.fail()
		}
	}
	if x, y := integer(a), integer(b); x != nil && y != nil {
		return ev.integers(op, x, y)
	}
	x, ok := float(a)
	y, ok2 := float(b)
	if ok && ok2 {
		return floats(op, x, y)
	}
	switch x := a.(type) {
	case Text:
		if y, ok := b.(Text); ok && op == "+" {
			return ev.join(Text{}, x, y)
		}
		if op == "%" {
			return ev.printf(x, b)
		}
	case *List:
		if y, ok := b.(*List); ok && op == "+" && x.kind == y.kind && x.kind <= kTuple {
			if err := ev.bytes(16 * (len(x.Items) + len(y.Items))); err != nil {
				return nil, err
			}
			return &List{Items: append(x.Items[:len(x.Items):len(x.Items)], y.Items...), kind: x.kind}, nil
		}
	}
	if op == "*" {
		if n := integer(b); n != nil {
			return ev.repeat(a, n)
		}
		if n := integer(a); n != nil {
			return ev.repeat(b, n)
		}
	}
	if _, ok := a.(Text); ok && op == "+" {
		return nil, failf("can only concatenate str (not \"%s\") to str", typeName(b))
	}
	return nil, failf("unsupported operand type(s) for %s: '%s' and '%s'", op, typeName(a), typeName(b))
}

func (ev *eval) repeat(v Value, n *big.Int) (Value, error) {
	if n.Sign() <= 0 {
		n = new(big.Int)
	}
	if !n.IsInt64() || n.Int64() > int64(ev.limits.Bytes) {
		n = big.NewInt(int64(ev.limits.Bytes) + 1)
	}
	times := int(n.Int64())
	size := 0
	switch v := v.(type) {
	case Text:
		size = len(v.S) + 16*len(v.Marks)
	case *List:
		size = 16 * len(v.Items)
	default:
		return nil, failf("unsupported operand type(s) for *: '%s' and 'int'", typeName(v))
	}
	if size > 0 && times > (ev.limits.Bytes/size)+1 {
		return nil, ev.bytes(ev.limits.Bytes + 1)
	}
	if err := ev.bytes(size * times); err != nil {
		return nil, err
	}
	if size == 0 {
		times = 0
	}
	if t, ok := v.(Text); ok {
		w := writer{}
		for range times {
			w.text(t)
		}
		return w.done(), nil
	}
	l := v.(*List)
	out := &List{kind: l.kind}
	for range times {
		out.Items = append(out.Items, l.Items...)
	}
	return out, nil
}

func (ev *eval) integers(op string, x, y *big.Int) (Value, error) {
	z := new(big.Int)
	switch op {
	case "+":
		z.Add(x, y)
	case "-":
		z.Sub(x, y)
	case "*":
		z.Mul(x, y)
	case "/":
		a, _ := float(small(x))
		b, _ := float(small(y))
		return floats(op, a, b)
	case "//", "%":
		if y.Sign() == 0 {
			return nil, failf("integer division or modulo by zero")
		}
		m := new(big.Int)
		z.DivMod(x, y, m)
		if y.Sign() < 0 && m.Sign() != 0 { // Go's remainder is never negative, Python's has the divisor's sign
			z.Sub(z, big.NewInt(1))
			m.Add(m, y)
		}
		if op == "%" {
			z = m
		}
	case "**":
		if y.Sign() < 0 {
			a, _ := float(small(x))
			b, _ := float(small(y))
			return floats(op, a, b)
		}
		if x.BitLen() > 1 && (!y.IsInt64() || y.Int64() > maxDigits || int64(x.BitLen())*y.Int64() > maxDigits) {
			return nil, limitError("a number has more than %d bits", maxDigits)
		}
		if x.BitLen() <= 1 { // 0, 1 or -1
			y = new(big.Int).Add(big.NewInt(int64(y.Bit(0))), big.NewInt(2*int64(min(y.BitLen(), 1))))
		}
		z.Exp(x, y, nil)
	}
	if z.BitLen() > maxDigits {
		return nil, limitError("a number has more than %d bits", maxDigits)
	}
	return small(z), nil
}

func floats(op string, x, y float64) (Value, error) {
	switch op {
	case "+":
		return x + y, nil
	case "-":
		return x - y, nil
	case "*":
		return x * y, nil
	case "**":
		return math.Pow(x, y), nil
	}
	if y == 0 {
		return nil, failf("division by zero")
	}
	switch op {
	case "/":
		return x / y, nil
	case "//":
		return math.Floor(x / y), nil
	}
	m := math.Mod(x, y)
	if m != 0 && (m < 0) != (y < 0) {
		m += y
	}
	return m, nil
}
