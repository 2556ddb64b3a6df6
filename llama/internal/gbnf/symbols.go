package gbnf

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

func (p *parser) literal(rule []Element) ([]Element, error) {
	p.pos++
	for p.at(0) != '"' {
		c, err := p.char()
		if err != nil {
			return nil, err
		}
		rule = append(rule, Element{Char, c})
	}
	p.pos++
	return rule, nil
}

// set parses a set of characters into the same elements that the engine makes.
func (p *parser) set(rule []Element) ([]Element, error) {
	p.pos++
	kind := Char
	if p.at(0) == '^' {
		p.pos++
		kind = Not
	}
	for p.at(0) != ']' {
		c, err := p.char()
		if err != nil {
			return nil, err
		}
		rule = append(rule, Element{kind, c})
		kind = Or
		if p.at(0) == '-' && p.at(1) != ']' {
			p.pos++
			if c, err = p.char(); err != nil {
				return nil, err
			}
			rule = append(rule, Element{Upper, c})
		}
	}
	p.pos++
	return rule, nil
}

func (p *parser) char() (uint32, error) {
	if p.pos >= len(p.text) {
		return 0, p.fail("unexpected end")
	}
	if p.at(0) != '\\' {
		c, n := utf8.DecodeRuneInString(p.text[p.pos:])
		p.pos += n
		return uint32(c), nil
	}
	digits, c := 0, uint32(p.at(1))
	switch p.at(1) {
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	case 't':
		c = '\t'
	case 'r':
		c = '\r'
	case 'n':
		c = '\n'
	case '\\', '"', '[', ']':
	default:
		return 0, p.fail("unknown escape \\%s", strings.ToValidUTF8(p.text[p.pos+1:min(p.pos+2, len(p.text))], "?"))
	}
	p.pos += 2
	if digits == 0 {
		return c, nil
	}
	v, err := strconv.ParseUint(p.text[p.pos:min(p.pos+digits, len(p.text))], 16, 32)
	if err != nil || p.pos+digits > len(p.text) {
		return 0, p.fail("expecting %d hexadecimal digits", digits)
	}
	p.pos += digits
	return uint32(v), nil
}

// token parses <name> or <[number]>; a preceding ! stands for any other token.
func (p *parser) token() (Element, error) {
	number, name := Token, Name
	if p.at(0) == '!' {
		p.pos++
		number, name = TokenNot, NameNot
	}
	if p.at(0) != '<' {
		return Element{}, p.fail("expecting <")
	}
	if p.at(1) == '[' {
		p.pos += 2
		digits := p.while(isDigit)
		id, err := strconv.ParseInt(digits, 10, 32)
		if err != nil || !strings.HasPrefix(p.text[p.pos:], "]>") {
			return Element{}, p.fail("expecting the number of a token, as in <[1]>")
		}
		p.pos += 2
		p.Tokens = append(p.Tokens, int32(id))
		return Element{number, uint32(id)}, nil
	}
	n := strings.IndexByte(p.text[p.pos:], '>')
	if n < 0 {
		return Element{}, p.fail("expecting > after the name of a token")
	}
	p.Named = append(p.Named, p.text[p.pos:p.pos+n+1])
	p.pos += n + 1
	return Element{name, uint32(len(p.Named) - 1)}, nil
}

func ruleElement(id int) Element { return Element{Rule, uint32(id)} }

// repetition parses *, +, ? or {min,max} and expands it as the engine does: S{2,4} is S S S2, S2
// ::= S S1 |, S1 ::= S |; S{2,} is S S S', S' ::= S S' |.
func (p *parser) repetition(rule []Element, last int, nested bool) ([]Element, error) {
	if last == len(rule) {
		return nil, p.fail("nothing to repeat before %c", p.at(0))
	}
	least, most := 0, -1
	switch p.at(0) {
	case '*':
		p.pos++
	case '+':
		p.pos++
		least = 1
	case '?':
		p.pos++
		most = 1
	default:
		var err error
		if least, most, err = p.bounds(nested); err != nil {
			return nil, err
		}
	}
	symbol := rule[last:]
	if n := len(symbol) * max(least, 1); len(rule)+n > maxElements {
		return nil, p.count(len(rule) + n)
	}
	if least == 0 {
		rule = rule[:last]
	}
	for range least - 1 {
		rule = append(rule, symbol...)
	}
	optional := 1
	if most >= 0 {
		optional = most - least
	}
	previous := -1
	for range optional {
		id := p.newRule()
		r := append(make([]Element, 0, len(symbol)+3), symbol...)
		if most < 0 {
			r = append(r, ruleElement(id))
		} else if previous >= 0 {
			r = append(r, ruleElement(previous))
		}
		p.rules[id] = append(r, Element{Kind: End}, Element{Kind: End})
		if err := p.count(len(symbol) + 3); err != nil {
			return nil, err
		}
		previous = id
	}
	if optional > 0 {
		rule = append(rule, ruleElement(previous)) // overwrite the symbol, which has been copied
	}
	return rule, nil
}

// bounds parses {n}, {min,} or {min,max}; most is -1 without one.
func (p *parser) bounds(nested bool) (least, most int, err error) {
	p.pos++
	p.space(nested)
	number := func() (int, error) {
		digits := p.while(isDigit)
		n, err := strconv.Atoi(digits)
		if digits == "" {
			return 0, p.fail("expecting a number of repetitions")
		}
		if err != nil || n > maxRepeat {
			return 0, p.exceeds(maxRepeat, "%s repetitions are too many (at most %d)", digits)
		}
		p.space(nested)
		return n, nil
	}
	if least, err = number(); err != nil {
		return 0, 0, err
	}
	most = least
	if p.at(0) == ',' {
		p.pos++
		p.space(nested)
		most = -1
		if isDigit(p.at(0)) {
			if most, err = number(); err != nil {
				return 0, 0, err
			}
			if most < least {
				return 0, 0, p.fail("repetition from %d to %d: the minimum is larger than the maximum", least, most)
			}
		}
	}
	if p.at(0) != '}' {
		return 0, 0, p.fail("expecting }")
	}
	p.pos++
	return least, most, nil
}
