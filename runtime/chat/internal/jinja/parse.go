package jinja

import (
	"slices"
	"strings"
)

// Template is a parsed template. It is safe for concurrent use.
type Template struct{ body []stmt }

// Parse parses a template. Errors are an [*Error] of [ErrSyntax] or [ErrLimit].
func Parse(src string) (*Template, error) {
	if len(src) > maxSource {
		return nil, &Error{Line: 1, Reason: "the template has more than 1 MiB", Kind: ErrLimit}
	}
	tokens, err := lex(src)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
	body, err := p.body()
	if err != nil {
		return nil, err
	}
	if p.now().kind != tEnd {
		return nil, syntax(p.now().line, "unexpected %s", p.tagName())
	}
	return &Template{body}, nil
}

// parser is jinja2.parser.
type parser struct {
	tokens []token
	at     int
	depth  int
	loops  int // loops that the current tag is in
}

func (p *parser) now() token { return p.tokens[p.at] }

func (p *parser) next() token {
	t := p.tokens[p.at]
	if t.kind != tEnd {
		p.at++
	}
	return t
}

func (p *parser) look() token { return p.tokens[min(p.at+1, len(p.tokens)-1)] }

func (p *parser) is(k kind, s string) bool { return p.now().kind == k && p.now().s == s }

func (p *parser) op(s string) bool { return p.is(tOp, s) }

func (p *parser) skipIf(k kind, s string) bool {
	if p.is(k, s) {
		p.at++
		return true
	}
	return false
}

func (p *parser) expect(k kind, s string) error {
	if p.skipIf(k, s) {
		return nil
	}
	return syntax(p.now().line, "expected %q, got %s", s, p.described())
}

func (p *parser) name() (string, error) {
	if p.now().kind != tName {
		return "", syntax(p.now().line, "expected a name, got %s", p.described())
	}
	return p.next().s, nil
}

func (p *parser) described() string {
	if t := p.now(); t.kind != tEnd {
		return "\"" + strings.ToValidUTF8(t.s[:min(len(t.s), 40)], "") + "\""
	}
	return "the end of the template"
}

// enter bounds the nesting.
func (p *parser) enter() error {
	p.depth++
	if p.depth > maxNesting {
		return &Error{Line: p.now().line, Reason: "the template is nested too deeply", Kind: ErrLimit}
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

// tagName returns the name of the tag that begins here, or "".
func (p *parser) tagName() string {
	if p.now().kind == tTagBegin && p.look().kind == tName {
		return p.look().s
	}
	return ""
}

// body parses until a tag with one of the names, which is not consumed, or the end.
func (p *parser) body(ends ...string) ([]stmt, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	var list []stmt
	for {
		t := p.now()
		switch t.kind {
		case tEnd:
			if len(ends) > 0 {
				return nil, syntax(t.line, "unexpected end of template: %s is missing", ends[len(ends)-1])
			}
			return list, nil
		case tText:
			p.next()
			list = append(list, &textStmt{t.s})
		case tVarBegin:
			p.next()
			e, err := p.tuple(true, false)
			if err != nil {
				return nil, err
			}
			if err := p.expect(tVarEnd, "}}"); err != nil {
				return nil, err
			}
			list = append(list, &outStmt{e, t.line})
		default:
			if slices.Contains(ends, p.tagName()) {
				return list, nil
			}
			s, err := p.tag()
			if err != nil {
				return nil, err
			}
			list = append(list, s)
		}
	}
}

// tag parses one statement.
func (p *parser) tag() (s stmt, err error) {
	p.next()
	line := p.now().line
	name, err := p.name()
	if err != nil {
		return nil, syntax(line, "tag name expected")
	}
	switch name {
	case "if":
		return p.ifTag(line)
	case "for":
		return p.forTag(line)
	case "set":
		return p.setTag(line)
	case "macro":
		return p.macroTag(line)
	case "call":
		return p.callTag(line)
	case "filter":
		return p.filterTag(line)
	case "with":
		return p.withTag(line)
	case "generation":
		return p.generationTag(line)
	case "break", "continue":
		if p.loops == 0 {
			return nil, syntax(line, "%s outside of a loop", name)
		}
		return &jumpStmt{name == "break", line}, p.endTag()
	case "include", "import", "from", "extends", "block", "autoescape":
		return nil, syntax(line, "the tag %s is not for chat templates", name)
	}
	return nil, syntax(line, "unknown tag %q", name)
}

func (p *parser) endTag() error { return p.expect(tTagEnd, "%}") }

// block parses "%} body {% end": the tag after the body is consumed up to its name.
func (p *parser) block(ends ...string) (body []stmt, end string, err error) {
	if err = p.endTag(); err != nil {
		return nil, "", err
	}
	if body, err = p.body(ends...); err != nil {
		return nil, "", err
	}
	p.next()
	return body, p.next().s, nil
}

// closed is block with one end, whose tag is consumed.
func (p *parser) closed(end string) ([]stmt, error) {
	body, _, err := p.block(end)
	if err != nil {
		return nil, err
	}
	return body, p.endTag()
}

func (p *parser) ifTag(line int) (stmt, error) {
	s := &ifStmt{line: line}
	for {
		cond, err := p.tuple(false, false)
		if err != nil {
			return nil, err
		}
		body, end, err := p.block("elif", "else", "endif")
		if err != nil {
			return nil, err
		}
		s.conds, s.bodies = append(s.conds, cond), append(s.bodies, body)
		if end == "elif" {
			continue
		}
		if end == "else" {
			s.otherwise, err = p.closed("endif")
			return s, err
		}
		return s, p.endTag()
	}
}

func (p *parser) forTag(line int) (stmt, error) {
	s := &forStmt{line: line}
	var err error
	if s.target, err = p.target(); err != nil {
		return nil, err
	}
	if err := p.expect(tName, "in"); err != nil {
		return nil, err
	}
	if s.over, err = p.tuple(false, true); err != nil {
		return nil, err
	}
	if p.skipIf(tName, "if") {
		if s.cond, err = p.expr(); err != nil {
			return nil, err
		}
	}
	s.recursive = p.skipIf(tName, "recursive")
	p.loops++
	body, end, err := p.block("endfor", "else")
	p.loops--
	if err != nil {
		return nil, err
	}
	s.body = body
	if end == "else" {
		s.otherwise, err = p.closed("endfor")
		return s, err
	}
	return s, p.endTag()
}

// target parses names to assign to.
func (p *parser) target() (target, error) {
	var t target
	paren := p.skipIf(tOp, "(")
	for {
		if len(t.names) > 0 && (p.is(tName, "in") || p.op("=")) {
			t.tuple = true
			break
		}
		name, err := p.name()
		if err != nil {
			return t, err
		}
		if slices.Contains([]string{"true", "false", "none", "True", "False", "None"}, name) {
			return t, syntax(p.now().line, "cannot assign to %s", name)
		}
		attr := ""
		if p.skipIf(tOp, ".") {
			if attr, err = p.name(); err != nil {
				return t, err
			}
		}
		t.names, t.attrs = append(t.names, name), append(t.attrs, attr)
		if !p.skipIf(tOp, ",") {
			break
		}
		t.tuple = true
	}
	if paren {
		return t, p.expect(tOp, ")")
	}
	return t, nil
}

func (p *parser) setTag(line int) (stmt, error) {
	t, err := p.target()
	if err != nil {
		return nil, err
	}
	s := &setStmt{target: t, line: line}
	if p.skipIf(tOp, "=") {
		if s.value, err = p.tuple(true, false); err != nil {
			return nil, err
		}
		return s, p.endTag()
	}
	if s.filter, err = p.filters(nil); err != nil {
		return nil, err
	}
	s.body, err = p.closed("endset")
	return s, err
}

// params parses the parameters of a macro.
func (p *parser) params() (list []param, err error) {
	if err := p.expect(tOp, "("); err != nil {
		return nil, err
	}
	for !p.op(")") {
		if len(list) > 0 {
			if err := p.expect(tOp, ","); err != nil {
				return nil, err
			}
			if p.op(")") {
				break
			}
		}
		var a param
		if a.name, err = p.name(); err != nil {
			return nil, err
		}
		if p.skipIf(tOp, "=") {
			if a.value, err = p.expr(); err != nil {
				return nil, err
			}
		}
		list = append(list, a)
	}
	return list, p.expect(tOp, ")")
}

func (p *parser) macroTag(line int) (stmt, error) {
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	params, err := p.params()
	if err != nil {
		return nil, err
	}
	loops := p.loops
	p.loops = 0
	body, err := p.closed("endmacro")
	p.loops = loops
	return &macroStmt{name, params, body, line}, err
}

func (p *parser) callTag(line int) (stmt, error) {
	s := &callStmt{line: line}
	var err error
	if p.op("(") {
		if s.params, err = p.params(); err != nil {
			return nil, err
		}
	}
	e, err := p.expr()
	if err != nil {
		return nil, err
	}
	call, ok := e.(*callExpr)
	if !ok {
		return nil, syntax(line, "expected call")
	}
	s.call = call
	s.body, err = p.closed("endcall")
	return s, err
}

func (p *parser) filterTag(line int) (stmt, error) {
	s := &setStmt{line: line, print: true}
	name, err := p.name()
	if err != nil {
		return nil, err
	}
	f := &filterExpr{name: name, line: line}
	if p.op("(") {
		if f.args, err = p.callArgs(); err != nil {
			return nil, err
		}
	}
	if s.filter, err = p.filters(f); err != nil {
		return nil, err
	}
	s.body, err = p.closed("endfilter")
	return s, err
}

func (p *parser) withTag(line int) (stmt, error) {
	s := &withStmt{line: line}
	for p.now().kind != tTagEnd {
		if len(s.targets) > 0 {
			if err := p.expect(tOp, ","); err != nil {
				return nil, err
			}
		}
		t, err := p.target()
		if err != nil {
			return nil, err
		}
		if err := p.expect(tOp, "="); err != nil {
			return nil, err
		}
		e, err := p.expr()
		if err != nil {
			return nil, err
		}
		s.targets, s.values = append(s.targets, t), append(s.values, e)
	}
	var err error
	s.body, err = p.closed("endwith")
	return s, err
}

func (p *parser) generationTag(line int) (stmt, error) {
	body, err := p.closed("endgeneration")
	return &ifStmt{otherwise: body, line: line}, err
}
