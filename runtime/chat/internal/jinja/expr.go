package jinja

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

func (u *undefined) fail() error { return failf("%s", u.why) }

type constExpr struct{ v Value }

func (n *constExpr) at() int                   { return 0 }
func (n *constExpr) eval(*eval) (Value, error) { return n.v, nil }

type nameExpr struct{ name string }

func (n *nameExpr) at() int { return 0 }

func (n *nameExpr) eval(ev *eval) (Value, error) {
	if v, ok := ev.scope.find(n.name); ok {
		return v, nil
	}
	return &undefined{fmt.Sprintf("'%s' is undefined", n.name)}, nil
}

type listExpr struct {
	items []expr
	tuple bool
	line  int
}

func (n *listExpr) at() int { return n.line }

func (n *listExpr) eval(ev *eval) (Value, error) {
	l := &List{}
	if n.tuple {
		l.kind = kTuple
	}
	for _, e := range n.items {
		v, err := ev.value(e)
		if err != nil {
			return nil, err
		}
		l.Items = append(l.Items, v)
	}
	return l, nil
}

type dictExpr struct {
	keys, values []expr
	line         int
}

func (n *dictExpr) at() int { return n.line }

func (n *dictExpr) eval(ev *eval) (Value, error) {
	d := NewDict()
	for i := range n.keys {
		k, err := ev.value(n.keys[i])
		if err != nil {
			return nil, err
		}
		v, err := ev.value(n.values[i])
		if err != nil {
			return nil, err
		}
		h, err := ev.hash(k)
		if err != nil {
			return nil, err
		}
		d.set(h, k, v)
	}
	return d, nil
}

type condExpr struct {
	then, cond, otherwise expr
	line                  int
}

func (n *condExpr) at() int { return n.line }

func (n *condExpr) eval(ev *eval) (Value, error) {
	c, err := ev.value(n.cond)
	switch {
	case err != nil:
		return nil, err
	case truth(c):
		return ev.value(n.then)
	case n.otherwise != nil:
		return ev.value(n.otherwise)
	}
	return &undefined{"the inline if-expression evaluated to false and no else section was defined"}, nil
}

type unaryExpr struct {
	op   string
	e    expr
	line int
}

func (n *unaryExpr) at() int { return n.line }

func (n *unaryExpr) eval(ev *eval) (Value, error) {
	v, err := ev.value(n.e)
	if err != nil {
		return nil, err
	}
	if n.op == "not" {
		return !truth(v), nil
	}
	if integer(v) == nil {
		if _, ok := v.(float64); !ok {
			if u, ok := v.(*undefined); ok {
				return nil, u.fail()
			}
			return nil, failf("bad operand type for unary %s: '%s'", n.op, typeName(v))
		}
	}
	if f, ok := v.(float64); ok && n.op == "-" {
		return -f, nil
	}
	return ev.arithmetic(n.op, int64(0), v)
}

type binExpr struct {
	op          string
	left, right expr
	line        int
}

func (n *binExpr) at() int { return n.line }

func (n *binExpr) eval(ev *eval) (Value, error) {
	a, err := ev.value(n.left)
	if err != nil {
		return nil, err
	}
	if n.op == "and" && !truth(a) || n.op == "or" && truth(a) {
		return a, nil
	}
	b, err := ev.value(n.right)
	if err != nil || n.op == "and" || n.op == "or" {
		return b, err
	}
	return ev.arithmetic(n.op, a, b)
}

type concatExpr struct {
	parts []expr
	line  int
}

func (n *concatExpr) at() int { return n.line }

func (n *concatExpr) eval(ev *eval) (Value, error) {
	texts := make([]Text, len(n.parts))
	for i, e := range n.parts {
		v, err := ev.value(e)
		if err != nil {
			return nil, err
		}
		if texts[i], err = ev.str(v); err != nil {
			return nil, err
		}
	}
	return ev.join(Text{}, texts...)
}

type compareExpr struct {
	first expr
	ops   []string
	rest  []expr
	line  int
}

func (n *compareExpr) at() int { return n.line }

func (n *compareExpr) eval(ev *eval) (Value, error) {
	a, err := ev.value(n.first)
	if err != nil {
		return nil, err
	}
	for i, op := range n.ops {
		b, err := ev.value(n.rest[i])
		if err != nil {
			return nil, err
		}
		ok, err := ev.compare(op, a, b)
		if err != nil || !ok {
			return false, err
		}
		a = b
	}
	return true, nil
}

func (ev *eval) compare(op string, a, b Value) (bool, error) {
	switch op {
	case "==", "!=":
		same, err := ev.equal(a, b, 0)
		return same == (op == "=="), err
	case "in", "not in":
		in, err := ev.contains(b, a)
		return in == (op == "in"), err
	}
	c, err := ev.order(op, a, b)
	switch op {
	case "<":
		return c < 0, err
	case "<=":
		return c <= 0, err
	case ">":
		return c > 0, err
	}
	return c >= 0, err
}

type attrExpr struct {
	on   expr
	name string
	line int
}

func (n *attrExpr) at() int { return n.line }

func (n *attrExpr) eval(ev *eval) (Value, error) {
	v, err := ev.value(n.on)
	if err != nil {
		return nil, err
	}
	if a, ok, err := attribute(v, n.name); ok || err != nil {
		return a, err
	}
	if d, ok := v.(*Dict); ok {
		if a, ok := d.Get(n.name); ok {
			return a, nil
		}
	}
	return missing(v, n.name), nil
}

func missing(v Value, name string) Value {
	if v == nil {
		return &undefined{fmt.Sprintf("'None' has no attribute '%s'", name)}
	}
	return &undefined{fmt.Sprintf("'%s object' has no attribute '%s'", typeName(v), name)}
}

// attribute returns a method or another attribute of a value.
func attribute(v Value, name string) (Value, bool, error) {
	switch v := v.(type) {
	case *undefined:
		return nil, false, v.fail()
	case *loop:
		a, ok := v.attr(name)
		return a, ok, nil
	case Text:
		if m, ok := textMethods[name]; ok {
			return &function{name, func(ev *eval, a *args) (Value, error) { return m(ev, v, a) }}, true, nil
		}
	case *List:
		if m, ok := listMethods[name]; ok && v.kind == kList {
			return &function{name, func(ev *eval, a *args) (Value, error) { return m(ev, v, a) }}, true, nil
		}
	case *Dict:
		if m, ok := dictMethods[name]; ok && !v.space {
			return &function{name, func(ev *eval, a *args) (Value, error) { return m(ev, v, a) }}, true, nil
		}
	case *function:
		if name == "name" {
			return plain(v.name), true, nil
		}
	}
	return nil, false, nil
}

type itemExpr struct {
	on, key expr
	line    int
}

func (n *itemExpr) at() int { return n.line }

func (n *itemExpr) eval(ev *eval) (Value, error) {
	v, err := ev.value(n.on)
	if err != nil {
		return nil, err
	}
	k, err := ev.value(n.key)
	if err != nil {
		return nil, err
	}
	return ev.item(v, k)
}

// item is v[k]: an element, an attribute, or undefined.
func (ev *eval) item(v, k Value) (Value, error) {
	if err := ev.step(1); err != nil {
		return nil, err
	}
	switch c := v.(type) {
	case *undefined:
		return nil, c.fail()
	case *Dict:
		h, err := ev.hash(k)
		var r *raised
		if errors.As(err, &r) && r.kind != nil { // a limit
			return nil, err
		}
		if err == nil {
			if i, ok := c.index[h]; ok {
				return c.values[i], nil
			}
		}
	case *List:
		if i, ok := position(k, len(c.Items)); ok && c.kind != kGenerator && c.kind != kView {
			return c.Items[i], nil
		}
	case Text:
		if integer(k) != nil {
			if err := ev.step(len(c.S) >> 6); err != nil {
				return nil, err
			}
			at := offsets(c.S)
			if i, ok := position(k, len(at)-1); ok {
				return c.cut(at[i], at[i+1]), nil
			}
		}
	}
	if name, ok := k.(Text); ok {
		if a, ok, err := attribute(v, name.S); ok || err != nil {
			return a, err
		}
		return missing(v, name.S), nil
	}
	s, err := ev.str(k)
	return &undefined{fmt.Sprintf("'%s object' has no element %s", typeName(v), s.S[:min(len(s.S), 80)])}, err
}

// position returns an index into n elements.
func position(k Value, n int) (int, bool) {
	i := integer(k)
	if i == nil || !i.IsInt64() {
		return 0, false
	}
	at := i.Int64()
	if at < 0 {
		at += int64(n)
	}
	return int(at), at >= 0 && at < int64(n)
}

// offsets returns where each character begins, and the length.
func offsets(s string) []int {
	list := make([]int, 0, len(s)+1)
	for i := range s {
		list = append(list, i)
	}
	return append(list, len(s))
}

func runeLen(s string) int {
	for i := range s {
		if i > 0 {
			return i
		}
	}
	return len(s)
}

type sliceExpr struct {
	on    expr
	parts [3]expr
	line  int
}

func (n *sliceExpr) at() int { return n.line }

func (n *sliceExpr) eval(ev *eval) (Value, error) {
	v, err := ev.value(n.on)
	if err != nil {
		return nil, err
	}
	var bounds [3]Value
	for i, e := range n.parts {
		if e != nil {
			if bounds[i], err = ev.value(e); err != nil {
				return nil, err
			}
		}
	}
	switch c := v.(type) {
	case *undefined:
		return nil, c.fail()
	case Text:
		return ev.sliceText(c, bounds)
	case *List:
		if c.kind == kGenerator || c.kind == kView {
			return &undefined{fmt.Sprintf("'%s' object is not subscriptable", typeName(c))}, nil
		}
		picked, err := indices(bounds, len(c.Items))
		if err == nil {
			err = ev.bytes(16 * len(picked))
		}
		out := &List{kind: c.kind}
		for _, i := range picked {
			out.Items = append(out.Items, c.Items[i])
		}
		return out, err
	}
	return &undefined{fmt.Sprintf("'%s' object is not subscriptable", typeName(v))}, nil
}

func (ev *eval) sliceText(c Text, bounds [3]Value) (Value, error) {
	if err := ev.bytes(8 * len(c.S)); err != nil {
		return nil, err
	}
	at := offsets(c.S)
	picked, err := indices(bounds, len(at)-1)
	if err != nil || len(picked) == 0 {
		return Text{}, err
	}
	if last := picked[len(picked)-1]; last-picked[0] == len(picked)-1 {
		return c.cut(at[picked[0]], at[last+1]), nil
	}
	w := writer{}
	for _, i := range picked {
		w.text(c.cut(at[i], at[i+1]))
	}
	return w.done(), nil
}

// indices returns which of n elements a slice has.
func indices(bounds [3]Value, n int) ([]int, error) {
	limit := func(v Value, low, high, none int) (int, error) {
		i := integer(v)
		switch {
		case v == nil:
			return none, nil
		case i == nil:
			return 0, failf("slice indices must be integers or None")
		case !i.IsInt64():
			return map[bool]int{true: high, false: low}[i.Sign() > 0], nil
		}
		at := i.Int64()
		if at < 0 {
			at += int64(n)
		}
		return int(min(max(at, int64(low)), int64(high))), nil
	}
	step := 1
	if i := integer(bounds[2]); i != nil {
		step = int(i.Int64())
		if !i.IsInt64() || step > n || step < -n {
			step = max(n, 1) * i.Sign()
		}
	} else if bounds[2] != nil {
		return nil, failf("slice indices must be integers or None")
	}
	if step == 0 {
		return nil, failf("slice step cannot be zero")
	}
	low, high, first, last := 0, n, 0, n
	if step < 0 {
		low, high, first, last = -1, n-1, n-1, -1
	}
	from, err := limit(bounds[0], low, high, first)
	if err != nil {
		return nil, err
	}
	to, err := limit(bounds[1], low, high, last)
	if err != nil {
		return nil, err
	}
	var list []int
	for i := from; step > 0 && i < to || step < 0 && i > to; i += step {
		list = append(list, i)
	}
	return list, nil
}

// callArgs are the arguments of a call as written.
type callArgs struct {
	list        []expr
	names       []string
	values      []expr
	rest, named expr // *rest, **named
}

// args are the values of arguments.
type args struct {
	list  []Value
	named map[string]Value
	order []string // of named
	used  int
}

func (a *args) name(k string, v Value) {
	if a.named == nil {
		a.named = map[string]Value{}
	}
	a.named[k] = v
	a.order = append(a.order, k)
}

// take returns the next argument, or the one of a name, or otherwise.
func (a *args) take(name string, otherwise Value) Value {
	if a.used < len(a.list) {
		a.used++
		return a.list[a.used-1]
	}
	if v, ok := a.named[name]; ok {
		delete(a.named, name)
		return v
	}
	return otherwise
}

// done refuses arguments that were not taken.
func (a *args) done(what string) error {
	if a.used < len(a.list) {
		return failf("%s takes at most %d arguments (%d given)", what, a.used, len(a.list))
	}
	if len(a.named) > 0 {
		return failf("%s got an unexpected keyword argument '%s'", what, slices.Sorted(maps.Keys(a.named))[0])
	}
	return nil
}

func (ev *eval) arguments(n callArgs) (*args, error) {
	a := &args{}
	for _, e := range n.list {
		v, err := ev.value(e)
		if err != nil {
			return nil, err
		}
		a.list = append(a.list, v)
	}
	for i, e := range n.values {
		v, err := ev.value(e)
		if err != nil {
			return nil, err
		}
		a.name(n.names[i], v)
	}
	if n.rest != nil {
		v, err := ev.value(n.rest)
		if err != nil {
			return nil, err
		}
		items, err := ev.iterate(v)
		if err != nil {
			return nil, err
		}
		a.list = append(a.list, items...)
	}
	if n.named != nil {
		v, err := ev.value(n.named)
		if err != nil {
			return nil, err
		}
		d, ok := v.(*Dict)
		if !ok {
			return nil, failf("argument after ** must be a mapping, not %s", typeName(v))
		}
		for i, k := range d.keys {
			if t, ok := k.(Text); ok {
				a.name(t.S, d.values[i])
			}
		}
	}
	return a, nil
}

type callExpr struct {
	on   expr
	args callArgs
	line int
}

func (n *callExpr) at() int { return n.line }

func (n *callExpr) eval(ev *eval) (Value, error) {
	f, err := ev.value(n.on)
	if err != nil {
		return nil, err
	}
	a, err := ev.arguments(n.args)
	if err != nil {
		return nil, err
	}
	return ev.call(f, a)
}

func (ev *eval) call(f Value, a *args) (Value, error) {
	switch f := f.(type) {
	case *function:
		if err := ev.enter(); err != nil {
			return nil, err
		}
		defer ev.leave()
		return f.call(ev, a)
	case *loop:
		if f.again == nil {
			return nil, failf("the loop must have the 'recursive' marker to be called")
		}
		return f.again(ev, a.take("iterable", &List{}))
	case *undefined:
		return nil, f.fail()
	}
	return nil, failf("'%s' object is not callable", typeName(f))
}

type filterExpr struct {
	on   expr // nil: the text of the block
	name string
	args callArgs
	line int
}

func (n *filterExpr) at() int { return n.line }

func (n *filterExpr) eval(ev *eval) (Value, error) {
	var v Value
	var err error
	if n.on == nil {
		v, _ = ev.scope.find(blockText)
	} else if v, err = ev.value(n.on); err != nil {
		return nil, err
	}
	a, err := ev.arguments(n.args)
	if err != nil {
		return nil, err
	}
	return ev.filter(n.name, v, a)
}

func (ev *eval) filter(name string, v Value, a *args) (Value, error) {
	f, ok := filters[name]
	if !ok {
		return nil, failf("no filter named '%s'", strings.ToValidUTF8(name, ""))
	}
	if err := ev.enter(); err != nil {
		return nil, err
	}
	defer ev.leave()
	return f(ev, v, a)
}

type testExpr struct {
	on   expr
	name string
	args callArgs
	line int
}

func (n *testExpr) at() int { return n.line }

func (n *testExpr) eval(ev *eval) (Value, error) {
	v, err := ev.value(n.on)
	if err != nil {
		return nil, err
	}
	a, err := ev.arguments(n.args)
	if err != nil {
		return nil, err
	}
	return ev.test(n.name, v, a)
}
