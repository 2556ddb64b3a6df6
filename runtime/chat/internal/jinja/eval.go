package jinja

import (
	"errors"
	"fmt"
)

// eval is one rendering.
type eval struct {
	limits Limits
	steps  int
	made   int // bytes
	depth  int
	out    *writer
	scope  *scope
}

// scope holds names; loops, macros and blocks have one of their own.
type scope struct {
	names map[string]Value
	outer *scope
}

func (s *scope) find(name string) (Value, bool) {
	for ; s != nil; s = s.outer {
		if v, ok := s.names[name]; ok {
			return v, true
		}
	}
	return nil, false
}

// set sets a name; a namespace's attribute if attr is not empty.
func (s *scope) set(name string, v Value) {
	if s.names == nil {
		s.names = map[string]Value{}
	}
	s.names[name] = v
}

// Render renders the template with the given names.
func (t *Template) Render(names map[string]Value, l Limits) (Text, error) {
	ev := &eval{limits: l.withDefaults(), out: &writer{}, scope: &scope{names: names, outer: &scope{names: globals}}}
	ev.scope = &scope{outer: ev.scope}
	if err := ev.run(t.body); err != nil {
		return Text{}, at(1, err)
	}
	return ev.out.done(), nil
}

func (ev *eval) enter() error {
	ev.depth++
	if ev.depth > ev.limits.Depth {
		return limitError("the template is nested more than %d deep", ev.limits.Depth)
	}
	return nil
}

func (ev *eval) leave() { ev.depth-- }

// expr is a node that has a value.
type expr interface {
	eval(ev *eval) (Value, error)
	at() int // line
}

// stmt is a node that writes.
type stmt interface {
	run(ev *eval) error
	at() int
}

var (
	errBreak    = errors.New("break")
	errContinue = errors.New("continue")
)

func (ev *eval) run(list []stmt) error {
	if err := ev.enter(); err != nil {
		return err
	}
	defer ev.leave()
	for _, s := range list {
		err := ev.step(1)
		if err == nil {
			err = s.run(ev)
		}
		if err != nil {
			return at(s.at(), err)
		}
		if ev.out.len() > ev.limits.Output {
			return at(s.at(), limitError("the output has more than %d bytes", ev.limits.Output))
		}
	}
	return nil
}

// value evaluates an expression; all expressions go through it.
func (ev *eval) value(e expr) (Value, error) {
	if err := ev.enter(); err != nil {
		return nil, at(e.at(), err)
	}
	defer ev.leave()
	if err := ev.step(1); err != nil {
		return nil, at(e.at(), err)
	}
	v, err := e.eval(ev)
	return v, at(e.at(), err)
}

// captured runs statements in a scope of their own and returns what they write.
func (ev *eval) captured(s *scope, body []stmt) (Text, error) {
	out, outer := ev.out, ev.scope
	ev.out, ev.scope = &writer{}, s
	err := ev.run(body)
	w := ev.out
	ev.out, ev.scope = out, outer
	return w.done(), err
}

type textStmt struct{ s string }

func (n *textStmt) at() int { return 0 }

func (n *textStmt) run(ev *eval) error {
	if err := ev.bytes(len(n.s)); err != nil {
		return err
	}
	ev.out.plain(n.s)
	return nil
}

type outStmt struct {
	e    expr
	line int
}

func (n *outStmt) at() int { return n.line }

func (n *outStmt) run(ev *eval) error {
	v, err := ev.value(n.e)
	if err != nil {
		return err
	}
	t, err := ev.str(v)
	if err == nil {
		err = ev.bytes(len(t.S) + 16*len(t.Marks))
	}
	ev.out.text(t)
	return err
}

type ifStmt struct {
	conds     []expr
	bodies    [][]stmt
	otherwise []stmt
	line      int
}

func (n *ifStmt) at() int { return n.line }

func (n *ifStmt) run(ev *eval) error {
	for i, c := range n.conds {
		v, err := ev.value(c)
		if err != nil {
			return err
		}
		if truth(v) {
			return ev.run(n.bodies[i])
		}
	}
	return ev.run(n.otherwise)
}

type jumpStmt struct {
	out  bool
	line int
}

func (n *jumpStmt) at() int { return n.line }

func (n *jumpStmt) run(*eval) error {
	if n.out {
		return errBreak
	}
	return errContinue
}

// target is what is assigned to: one name, or several for the elements of a value.
type target struct {
	names, attrs []string // an attribute of a namespace, or ""
	tuple        bool
}

func (t target) assign(ev *eval, s *scope, v Value) error {
	values := []Value{v}
	if t.tuple {
		var err error
		if values, err = ev.iterate(v); err != nil {
			return err
		}
		if len(values) != len(t.names) {
			return failf("expected %d values to unpack, got %d", len(t.names), len(values))
		}
	}
	for i, name := range t.names {
		if t.attrs[i] == "" {
			s.set(name, values[i])
			continue
		}
		in, _ := ev.scope.find(name)
		d, ok := in.(*Dict)
		if !ok || !d.space {
			return failf("cannot assign attribute on non-namespace object")
		}
		d.Set(plain(t.attrs[i]), values[i])
	}
	return nil
}

// setStmt is set and, with print, a filter block.
type setStmt struct {
	target target
	value  expr
	body   []stmt // instead of value
	filter expr   // of the body, or nil
	print  bool
	line   int
}

func (n *setStmt) at() int { return n.line }

func (n *setStmt) run(ev *eval) error {
	var v Value
	var err error
	if n.value != nil {
		v, err = ev.value(n.value)
	} else {
		v, err = ev.captured(&scope{outer: ev.scope}, n.body)
	}
	if err == nil && n.filter != nil {
		outer := ev.scope
		ev.scope = &scope{names: map[string]Value{blockText: v}, outer: outer}
		v, err = ev.value(n.filter)
		ev.scope = outer
	}
	if err != nil {
		return err
	}
	if !n.print {
		return n.target.assign(ev, ev.scope, v)
	}
	t, err := ev.str(v)
	ev.out.text(t)
	return err
}

// blockText is the name of a block's text for its filters; no template can write it.
const blockText = " text"

type withStmt struct {
	targets []target
	values  []expr
	body    []stmt
	line    int
}

func (n *withStmt) at() int { return n.line }

func (n *withStmt) run(ev *eval) error {
	inner := &scope{outer: ev.scope}
	for i, e := range n.values {
		v, err := ev.value(e)
		if err == nil {
			err = n.targets[i].assign(ev, inner, v)
		}
		if err != nil {
			return err
		}
	}
	outer := ev.scope
	ev.scope = inner
	err := ev.run(n.body)
	ev.scope = outer
	return err
}

type param struct {
	name  string
	value expr // nil: none
}

type macroStmt struct {
	name   string
	params []param
	body   []stmt
	line   int
}

func (n *macroStmt) at() int { return n.line }

func (n *macroStmt) run(ev *eval) error {
	ev.scope.set(n.name, ev.macro(n.name, n.params, n.body))
	return nil
}

// macro returns the function of a macro or of a call block, which sees the names around it.
func (ev *eval) macro(name string, params []param, body []stmt) *function {
	outer := ev.scope
	return &function{name, func(ev *eval, a *args) (Value, error) {
		inner := &scope{outer: outer}
		rest := a.list
		for _, p := range params {
			v, ok := a.named[p.name]
			switch {
			case len(rest) > 0:
				if ok {
					return nil, failf("macro '%s' got multiple values for argument '%s'", name, p.name)
				}
				v, rest = rest[0], rest[1:]
			case ok:
			case p.value != nil:
				was := ev.scope
				ev.scope = inner
				var err error
				v, err = ev.value(p.value)
				ev.scope = was
				if err != nil {
					return nil, err
				}
			default:
				v = &undefined{fmt.Sprintf("parameter '%s' was not provided", p.name)}
			}
			delete(a.named, p.name)
			inner.set(p.name, v)
		}
		caller, ok := a.named["caller"]
		if !ok {
			caller = &undefined{"'caller' is undefined"}
		}
		delete(a.named, "caller")
		kwargs := NewDict()
		for _, k := range a.order {
			if v, ok := a.named[k]; ok {
				kwargs.Set(plain(k), v)
			}
		}
		inner.set("varargs", &List{Items: rest, kind: kTuple})
		inner.set("kwargs", kwargs)
		inner.set("caller", caller)
		t, err := ev.captured(inner, body)
		return t, err
	}}
}

type callStmt struct {
	params []param
	call   *callExpr
	body   []stmt
	line   int
}

func (n *callStmt) at() int { return n.line }

func (n *callStmt) run(ev *eval) error {
	caller := ev.macro("caller", n.params, n.body)
	f, err := ev.value(n.call.on)
	if err != nil {
		return err
	}
	a, err := ev.arguments(n.call.args)
	if err != nil {
		return err
	}
	a.name("caller", caller)
	v, err := ev.call(f, a)
	if err != nil {
		return err
	}
	t, err := ev.str(v)
	ev.out.text(t)
	return err
}
