package gbnf

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// parser mirrors the engine's parser function by function, so that both accept the same grammars.
type parser struct {
	Grammar
	text  string
	pos   int
	owner int // the rule that is being defined
}

// fail returns a syntax error at the position.
func (p *parser) fail(format string, args ...any) error {
	before := p.text[:min(p.pos, len(p.text))]
	return &Error{
		Problem: Syntax, Line: 1 + strings.Count(before, "\n"),
		Column: 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]), Reason: fmt.Sprintf(format, args...),
	}
}

// exceeds returns an error at the position about a bound, the last argument of the reason.
func (p *parser) exceeds(limit int, format string, args ...any) error {
	e := p.fail(format, append(args, limit)...).(*Error)
	e.Problem, e.Limit = Limit, limit
	return e
}

// at returns the byte at offset i from the position, 0 beyond the end.
func (p *parser) at(i int) byte {
	if p.pos+i < len(p.text) {
		return p.text[p.pos+i]
	}
	return 0
}

func (p *parser) space(newlines bool) {
	for {
		switch c := p.at(0); {
		case c == '#':
			for p.at(0) != 0 && p.at(0) != '\r' && p.at(0) != '\n' {
				p.pos++
			}
		case c == ' ' || c == '\t' || newlines && (c == '\r' || c == '\n'):
			p.pos++
		default:
			return
		}
	}
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || isDigit(c)
}

// while returns the longest run of bytes of a class from the position on.
func (p *parser) while(in func(byte) bool) string {
	from := p.pos
	for p.pos < len(p.text) && in(p.text[p.pos]) {
		p.pos++
	}
	return p.text[from:p.pos]
}

func (p *parser) rule() error {
	name := p.while(isWord)
	if name == "" {
		return p.fail("expecting the name of a rule")
	}
	id := p.id(name)
	p.owner = id
	p.space(false)
	if !strings.HasPrefix(p.text[p.pos:], "::=") {
		return p.fail("expecting ::= after %s", name)
	}
	p.pos += 3
	p.space(true)
	if err := p.alternatives(id, 0); err != nil {
		return err
	}
	switch c := p.at(0); {
	case c == '\r' && p.at(1) == '\n':
		p.pos += 2
	case c == '\r' || c == '\n':
		p.pos++
	case c != 0:
		return p.fail("expecting the end of rule %s at %q", name, c)
	}
	p.space(true)
	return nil
}

func (p *parser) id(name string) int {
	id, ok := p.ids[name]
	if !ok {
		id = p.newRule()
		p.ids[name], p.owners[id] = id, id
	}
	return id
}

func (p *parser) newRule() int {
	p.rules, p.owners = append(p.rules, nil), append(p.owners, p.owner)
	return len(p.rules) - 1
}

// alternatives parses the right-hand side of a rule, or a group in parentheses.
func (p *parser) alternatives(id, depth int) error {
	if depth > maxDepth {
		return p.exceeds(maxDepth, "more than %d nested parentheses")
	}
	rule := []Element{}
	for {
		var err error
		if rule, err = p.sequence(rule, depth); err != nil {
			return err
		}
		rule = append(rule, Element{Kind: End})
		if p.at(0) != '|' {
			break
		}
		p.pos++
		p.space(true)
	}
	p.rules[id] = rule
	return p.count(len(rule))
}

// count adds to the number of elements of the whole grammar.
func (p *parser) count(n int) error {
	p.elements += n
	if p.elements > maxElements {
		return p.exceeds(maxElements, "more than %d elements after repetitions are expanded")
	}
	if len(p.rules) > maxRules {
		return p.exceeds(maxRules, "more than %d rules after repetitions are expanded")
	}
	return nil
}

func (p *parser) sequence(rule []Element, depth int) ([]Element, error) {
	last := len(rule) // start of the symbol that a repetition repeats
	for {
		var err error
		switch c := p.at(0); {
		case c == '"':
			last = len(rule)
			rule, err = p.literal(rule)
		case c == '[':
			last = len(rule)
			rule, err = p.set(rule)
		case c == '<' || c == '!':
			last = len(rule)
			var e Element
			e, err = p.token()
			rule = append(rule, e)
		case isWord(c):
			last = len(rule)
			rule = append(rule, ruleElement(p.id(p.while(isWord))))
		case c == '(':
			p.pos++
			p.space(true)
			id := p.newRule()
			if err := p.alternatives(id, depth+1); err != nil {
				return nil, err
			}
			last = len(rule)
			rule = append(rule, ruleElement(id))
			if p.at(0) != ')' {
				return nil, p.fail("expecting )")
			}
			p.pos++
		case c == '.':
			p.pos++
			last = len(rule)
			rule = append(rule, Element{Kind: Any})
		case c == '*', c == '+', c == '?', c == '{':
			rule, err = p.repetition(rule, last, depth > 0)
		default:
			return rule, nil
		}
		if err != nil {
			return nil, err
		}
		if len(rule) > maxElements {
			return nil, p.count(len(rule))
		}
		p.space(depth > 0)
	}
}
