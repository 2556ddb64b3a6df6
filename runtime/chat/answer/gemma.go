package answer

import "strings"

const gemmaQuote = `<|"|>`

// gemmaPart is what comes next in arguments of Gemma 4: {key:<|"|>text<|"|>,list:[1,2]}.
type gemmaPart int

const (
	gemmaValue gemmaPart = iota
	gemmaFirst           // a value or the end of the array
	gemmaKey             // or the end of the object
	gemmaComma
	gemmaText
)

// gemma reads arguments that are written as Gemma 4 does.
func (p *Parser) gemma() bool {
	if p.expect == gemmaText {
		return p.gemmaString()
	}
	p.buf = strings.TrimLeft(p.buf, blanks)
	if p.buf == "" {
		return false
	}
	c := p.buf[0]
	in := byte(0)
	if n := len(p.nested); n > 0 {
		in = p.nested[n-1]
	}
	switch {
	case c == '}' && in == '{' && (p.expect == gemmaKey || p.expect == gemmaComma),
		c == ']' && in == '[' && (p.expect == gemmaFirst || p.expect == gemmaComma):
		p.take(1)
		p.arguments(string(c))
		p.nested = p.nested[:len(p.nested)-1]
		p.expect = gemmaComma
		if len(p.nested) == 0 {
			p.endCall()
		}
		return true
	case p.expect == gemmaComma:
		if c != ',' {
			return p.broken()
		}
		return p.gemmaNext(in)
	case p.expect == gemmaKey:
		return p.gemmaName()
	case (c == '{' || c == '[') && len(p.nested) < maxDepth:
		p.take(1)
		p.arguments(string(c))
		p.nested = append(p.nested, c)
		p.expect = gemmaFirst
		if c == '{' {
			p.expect = gemmaKey
		}
		return true
	}
	switch prefix(p.buf, gemmaQuote, p.final) {
	case need:
		return false
	case yes:
		p.take(len(gemmaQuote))
		p.arguments(`"`)
		p.expect = gemmaText
		return true
	}
	return p.gemmaScalar()
}

func (p *Parser) take(n int) { p.buf = p.buf[n:] }

// gemmaNext takes a comma and what follows it, if something does.
func (p *Parser) gemmaNext(in byte) bool {
	s := strings.TrimLeft(p.buf[1:], blanks)
	if s == "" {
		return false
	}
	p.buf, p.expect = s, gemmaValue
	if in == '{' {
		p.expect = gemmaKey
	}
	if s[0] == '}' || s[0] == ']' {
		p.expect = gemmaComma
	} else {
		p.arguments(",")
	}
	return true
}

// gemmaName reads a key.
func (p *Parser) gemmaName() bool {
	s := p.buf[:min(len(p.buf), 2*maxName)]
	n := strings.Index(s, ":")
	if n < 0 && len(s) < 2*maxName && !strings.ContainsAny(s, "{}[],") {
		return false
	}
	if n < 0 || strings.ContainsAny(s[:n], "{}[],") {
		return p.broken()
	}
	name := strings.Trim(s[:n], blanks)
	name = strings.TrimSuffix(strings.TrimPrefix(name, gemmaQuote), gemmaQuote)
	name = strings.Trim(name, `"`)
	p.take(n + 1)
	p.arguments(quoted(name) + ":")
	p.expect = gemmaValue
	return true
}

// gemmaString reads text up to its quote.
func (p *Parser) gemmaString() bool {
	if n := strings.Index(p.buf, gemmaQuote); n >= 0 {
		p.arguments(escaped(p.buf[:n]) + `"`)
		p.take(n + len(gemmaQuote))
		p.expect = gemmaComma
		return true
	}
	n := len(p.buf)
	if !p.final {
		n -= overlap(p.buf, []string{gemmaQuote})
	}
	p.arguments(escaped(p.buf[:n]))
	p.take(n)
	return false
}

// gemmaScalar reads a number, true, false, null or a JSON string.
func (p *Parser) gemmaScalar() bool {
	value, v := jsonValue(p.buf[:min(len(p.buf), maxHead)], p.final)
	switch {
	case v == need && len(p.buf) < maxHead:
		return false
	case v != yes || value[0] == '"' && unquote(value) == "" && value != `""`:
		return p.broken()
	}
	p.take(len(value))
	p.arguments(value)
	p.expect = gemmaComma
	return true
}
