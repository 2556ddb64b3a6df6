package answer

import (
	"encoding/json"
	"strings"
)

// pairs is how a family writes parameters in tags.
type pairs struct {
	head    []element // up to the value; the identifier is the name
	typed   []element // the same, for values that are JSON; nil: the schema says which
	close   string    // behind the value
	end     string    // behind all of them
	newline bool      // values are in lines of their own
}

// pair is a parameter that is read.
type pair struct {
	types types
	first bool // its value has not begun
}

// parameters reads parameters in tags.
func (p *Parser) parameters() bool {
	f := &p.format.pairs
	p.buf = strings.TrimLeft(p.buf, blanks)
	if p.buf == "" {
		return false
	}
	switch prefix(p.buf, f.end, p.final) {
	case need:
		return false
	case yes:
		p.buf = p.buf[len(f.end):]
		if p.members == 0 {
			p.arguments("{")
		}
		p.arguments("}")
		p.endCall()
		return true
	}
	t := types(0)
	s := p.buf[:min(len(p.buf), 4*maxName)]
	found, v := p.match(f.head, s, p.final)
	if v == no && f.typed != nil {
		found, v = p.match(f.typed, s, p.final)
		t = anyType &^ stringType
	} else if v == yes {
		if t = stringType; f.typed == nil {
			t = p.typesOf(found.id)
		}
	}
	switch {
	case v == need && len(s) < 4*maxName:
		return false
	case v != yes:
		return p.broken()
	}
	p.buf = p.buf[found.n:]
	p.key(found.id)
	p.pair = pair{types: t, first: true}
	switch t {
	case stringType:
		p.arguments(`"`)
		p.state = p.stringValue
	default:
		p.state = p.value
	}
	return true
}

// key writes the name of the next parameter.
func (p *Parser) key(name string) {
	before := ","
	if p.members == 0 {
		before = "{"
	}
	p.members++
	p.arguments(before + quoted(name) + ":")
}

// line leaves out the line break in front of a value; it returns false if it needs more.
func (p *Parser) line() bool {
	if p.pair.first && p.format.pairs.newline {
		if p.buf == "" {
			return false
		}
		p.buf = strings.TrimPrefix(p.buf, "\n")
	}
	p.pair.first = false
	return true
}

// ending returns where a value ends, and where what is behind it begins; -1 if that is not known.
func (f *pairs) ending(s string) (int, int) {
	n := strings.Index(s, f.close)
	if n < 0 {
		return -1, -1
	}
	end := n
	if f.newline {
		end = len(strings.TrimSuffix(s[:n], "\n"))
	}
	return end, n + len(f.close)
}

// stringValue reads a value that is text.
func (p *Parser) stringValue() bool {
	if !p.line() {
		return false
	}
	f := &p.format.pairs
	end, next := f.ending(p.buf)
	if end >= 0 {
		p.arguments(escaped(p.buf[:end]) + `"`)
		p.buf = p.buf[next:]
		p.state = p.parameters
		return true
	}
	n := len(p.buf)
	if !p.final {
		markers := []string{f.close}
		if f.newline {
			markers = append(markers, "\n"+f.close)
		}
		n -= overlap(p.buf, markers)
	}
	p.arguments(escaped(p.buf[:n]))
	p.buf = p.buf[n:]
	return false
}

// value reads a value that is JSON, or may be.
func (p *Parser) value() bool {
	if !p.line() {
		return false
	}
	s := strings.TrimLeft(p.buf, blanks)
	if s == "" && !p.final {
		return false
	}
	if s != "" && p.pair.types&stringType == 0 && (s[0] == '{' || s[0] == '[') && p.pair.types&typeOf(s) != 0 {
		p.buf, p.json, p.state = s, scanner{}, p.jsonValue
		return true
	}
	f := &p.format.pairs
	end, next := f.ending(p.buf)
	switch {
	case end >= 0 && next <= maxHead:
		p.arguments(converted(p.buf[:end], p.pair.types))
		p.buf = p.buf[next:]
		p.state = p.parameters
		return true
	case len(p.buf) > maxHead:
		p.arguments(`"`)
		p.state = p.stringValue
		return true
	}
	p.wait = len(p.buf) + len(p.buf)/8
	return false
}

// jsonValue reads a value that is an object or an array.
func (p *Parser) jsonValue() bool {
	n, ok := p.json.feed(p.buf)
	p.arguments(p.buf[:n])
	p.buf = p.buf[n:]
	if !ok {
		return p.broken()
	}
	if !p.json.done {
		return false
	}
	p.buf = strings.TrimLeft(p.buf, blanks)
	switch prefix(p.buf, p.format.pairs.close, p.final) {
	case need:
		return false
	case no:
		return p.broken()
	}
	p.buf = p.buf[len(p.format.pairs.close):]
	p.state = p.parameters
	return true
}

// converted returns a value that is written as text, as JSON.
func converted(s string, t types) string {
	v := strings.Trim(s, blanks)
	switch v {
	case "True":
		v = "true"
	case "False":
		v = "false"
	case "None":
		v = "null"
	}
	if v != "" && t&typeOf(v) != 0 && v[0] != '"' && json.Valid([]byte(v)) {
		return v
	}
	return quoted(s)
}
