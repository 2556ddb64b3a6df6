package jinja

import (
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// expr parses an expression with an inline if.
func (p *parser) expr() (expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	e, err := p.or()
	for err == nil && p.is(tName, "if") {
		c := &condExpr{then: e, line: p.next().line}
		if c.cond, err = p.or(); err != nil {
			return nil, err
		}
		if p.skipIf(tName, "else") {
			if c.otherwise, err = p.expr(); err != nil {
				return nil, err
			}
		}
		e = c
	}
	return e, err
}

// tuple parses an expression or, with commas, a tuple. Without cond, an inline if is left; end
// stops at "recursive" too.
func (p *parser) tuple(cond, end bool) (expr, error) {
	one := p.expr
	if !cond {
		one = p.or
	}
	line := p.now().line
	e, err := one()
	if err != nil || !p.op(",") {
		return e, err
	}
	list := &listExpr{items: []expr{e}, tuple: true, line: line}
	for p.skipIf(tOp, ",") {
		if k := p.now().kind; k == tVarEnd || k == tTagEnd || p.op(")") || end && p.is(tName, "recursive") {
			break
		}
		if e, err = one(); err != nil {
			return nil, err
		}
		list.items = append(list.items, e)
	}
	return list, nil
}

// binary parses operators of one precedence, from left to right.
func (p *parser) binary(below func() (expr, error), is func() bool) (expr, error) {
	e, err := below()
	for err == nil && is() {
		t := p.next()
		var right expr
		if right, err = below(); err == nil {
			e = &binExpr{t.s, e, right, t.line}
		}
	}
	return e, err
}

func (p *parser) ops(list ...string) func() bool {
	return func() bool { return p.now().kind == tOp && slices.Contains(list, p.now().s) }
}

func (p *parser) or() (expr, error) {
	return p.binary(p.and, func() bool { return p.is(tName, "or") })
}

func (p *parser) and() (expr, error) {
	return p.binary(p.not, func() bool { return p.is(tName, "and") })
}

func (p *parser) not() (expr, error) {
	if !p.is(tName, "not") {
		return p.compare()
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	line := p.next().line
	e, err := p.not()
	return &unaryExpr{"not", e, line}, err
}

func (p *parser) compare() (expr, error) {
	first, err := p.math1()
	if err != nil {
		return nil, err
	}
	c := &compareExpr{first: first, line: p.now().line}
	for {
		op := ""
		switch {
		case p.ops("==", "!=", ">", ">=", "<", "<=")(), p.is(tName, "in"):
			op = p.next().s
		case p.is(tName, "not") && p.look().kind == tName && p.look().s == "in":
			p.next()
			p.next()
			op = "not in"
		default:
			if len(c.ops) == 0 {
				return first, nil
			}
			return c, nil
		}
		e, err := p.math1()
		if err != nil {
			return nil, err
		}
		c.ops, c.rest = append(c.ops, op), append(c.rest, e)
	}
}

func (p *parser) math1() (expr, error) { return p.binary(p.concat, p.ops("+", "-")) }

func (p *parser) concat() (expr, error) {
	e, err := p.math2()
	if err != nil || !p.op("~") {
		return e, err
	}
	c := &concatExpr{parts: []expr{e}, line: p.now().line}
	for p.skipIf(tOp, "~") {
		if e, err = p.math2(); err != nil {
			return nil, err
		}
		c.parts = append(c.parts, e)
	}
	return c, nil
}

func (p *parser) math2() (expr, error) { return p.binary(p.pow, p.ops("*", "/", "//", "%")) }

func (p *parser) pow() (expr, error) {
	return p.binary(func() (expr, error) { return p.unary(true) }, p.ops("**"))
}

func (p *parser) unary(filters bool) (expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	var e expr
	var err error
	if p.op("-") || p.op("+") {
		t := p.next()
		e, err = p.unary(false)
		e = &unaryExpr{t.s, e, t.line}
	} else {
		e, err = p.primary()
	}
	if err == nil {
		e, err = p.postfix(e)
	}
	for err == nil && filters {
		switch {
		case p.op("|"):
			e, err = p.filters(e)
		case p.is(tName, "is"):
			e, err = p.test(e)
		case p.op("("):
			e, err = p.call(e)
		default:
			return e, nil
		}
	}
	return e, err
}

func (p *parser) primary() (expr, error) {
	t := p.now()
	switch t.kind {
	case tName:
		p.next()
		switch t.s {
		case "true", "True":
			return &constExpr{true}, nil
		case "false", "False":
			return &constExpr{false}, nil
		case "none", "None":
			return &constExpr{nil}, nil
		}
		return &nameExpr{t.s}, nil
	case tString:
		var b strings.Builder
		for p.now().kind == tString {
			b.WriteString(p.next().s)
		}
		return &constExpr{plain(b.String())}, nil
	case tInt:
		p.next()
		n, ok := new(big.Int).SetString(strings.ReplaceAll(t.s, "_", ""), 0)
		if strings.Trim(t.s, "0_") == "" {
			n, ok = new(big.Int), true
		}
		if !ok || n.BitLen() > maxDigits {
			return nil, syntax(t.line, "invalid number %.40s", t.s)
		}
		return &constExpr{small(n)}, nil
	case tFloat:
		p.next()
		f, err := strconv.ParseFloat(strings.ReplaceAll(t.s, "_", ""), 64)
		if err != nil {
			return nil, syntax(t.line, "invalid number %.40s", t.s)
		}
		return &constExpr{f}, nil
	case tOp:
		switch t.s {
		case "(":
			p.next()
			if p.skipIf(tOp, ")") {
				return &listExpr{tuple: true, line: t.line}, nil
			}
			e, err := p.tuple(true, false)
			if err != nil {
				return nil, err
			}
			return e, p.expect(tOp, ")")
		case "[":
			return p.list()
		case "{":
			return p.dict()
		}
	}
	return nil, syntax(t.line, "unexpected %s", p.described())
}

// items calls one for each item between commas, until the end.
func (p *parser) items(end string, one func() error) error {
	p.next()
	for first := true; !p.op(end); first = false {
		if !first {
			if err := p.expect(tOp, ","); err != nil {
				return err
			}
			if p.op(end) {
				break
			}
		}
		if err := one(); err != nil {
			return err
		}
	}
	return p.expect(tOp, end)
}

func (p *parser) list() (expr, error) {
	l := &listExpr{line: p.now().line}
	return l, p.items("]", func() error {
		e, err := p.expr()
		l.items = append(l.items, e)
		return err
	})
}

func (p *parser) dict() (expr, error) {
	d := &dictExpr{line: p.now().line}
	return d, p.items("}", func() error {
		k, err := p.expr()
		if err != nil {
			return err
		}
		if err := p.expect(tOp, ":"); err != nil {
			return err
		}
		v, err := p.expr()
		d.keys, d.values = append(d.keys, k), append(d.values, v)
		return err
	})
}

func (p *parser) postfix(e expr) (expr, error) {
	for {
		t := p.now()
		var err error
		switch {
		case p.op("."):
			p.next()
			switch p.now().kind {
			case tName:
				e = &attrExpr{e, p.next().s, t.line}
			case tInt:
				n, _ := strconv.ParseInt(p.next().s, 10, 32)
				e = &itemExpr{e, &constExpr{n}, t.line}
			default:
				return nil, syntax(t.line, "expected name or number")
			}
		case p.op("["):
			e, err = p.subscript(e)
		case p.op("("):
			e, err = p.call(e)
		default:
			return e, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func (p *parser) subscript(e expr) (expr, error) {
	line := p.next().line
	var parts [3]expr
	colons := 0
	for !p.op("]") {
		if p.skipIf(tOp, ":") {
			if colons++; colons > 2 {
				return nil, syntax(line, "unexpected colon")
			}
			continue
		}
		if parts[colons] != nil {
			return nil, syntax(line, "expected \"]\", got %s", p.described())
		}
		var err error
		if parts[colons], err = p.expr(); err != nil {
			return nil, err
		}
	}
	p.next()
	switch {
	case colons > 0:
		return &sliceExpr{e, parts, line}, nil
	case parts[0] == nil:
		return nil, syntax(line, "expected subscript expression")
	}
	return &itemExpr{e, parts[0], line}, nil
}

func (p *parser) call(e expr) (expr, error) {
	line := p.now().line
	args, err := p.callArgs()
	return &callExpr{e, args, line}, err
}

func (p *parser) callArgs() (a callArgs, err error) {
	err = p.items(")", func() error {
		var e expr
		var err error
		switch {
		case p.op("*") && a.rest == nil && a.named == nil:
			p.next()
			a.rest, err = p.expr()
		case p.op("**") && a.named == nil:
			p.next()
			a.named, err = p.expr()
		case p.now().kind == tName && p.look().kind == tOp && p.look().s == "=":
			name := p.next().s
			p.next()
			e, err = p.expr()
			a.names, a.values = append(a.names, name), append(a.values, e)
		case a.rest != nil || a.named != nil || len(a.names) > 0:
			return syntax(p.now().line, "invalid syntax for function call expression")
		default:
			e, err = p.expr()
			a.list = append(a.list, e)
		}
		return err
	})
	return a, err
}

// dotted parses a name with dots.
func (p *parser) dotted() (string, error) {
	name, err := p.name()
	for err == nil && p.skipIf(tOp, ".") {
		var more string
		more, err = p.name()
		name += "." + more
	}
	return name, err
}

// filters parses filters on e, which is nil for a block's text.
func (p *parser) filters(e expr) (expr, error) {
	for p.op("|") {
		line := p.next().line
		name, err := p.dotted()
		if err != nil {
			return nil, err
		}
		f := &filterExpr{on: e, name: name, line: line}
		if p.op("(") {
			if f.args, err = p.callArgs(); err != nil {
				return nil, err
			}
		}
		e = f
	}
	return e, nil
}

func (p *parser) test(e expr) (expr, error) {
	line := p.next().line
	negated := p.skipIf(tName, "not")
	name, err := p.dotted()
	if err != nil {
		return nil, err
	}
	t := &testExpr{on: e, name: name, line: line}
	now := p.now()
	switch {
	case p.op("("):
		t.args, err = p.callArgs()
	case now.kind == tName && !slices.Contains([]string{"else", "or", "and", "if"}, now.s),
		now.kind == tString, now.kind == tInt, now.kind == tFloat, p.op("["), p.op("{"):
		switch now.s {
		case "is":
			return nil, syntax(now.line, "you cannot chain multiple tests with is")
		case "not", "in", "recursive":
			if now.kind == tName { // an operator, not an argument
				break
			}
			fallthrough
		default:
			var arg expr
			if arg, err = p.primary(); err == nil {
				arg, err = p.postfix(arg)
			}
			t.args.list = []expr{arg}
		}
	}
	if err != nil {
		return nil, err
	}
	if negated {
		return &unaryExpr{"not", t, line}, nil
	}
	return t, nil
}
