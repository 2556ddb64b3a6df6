package answer

import (
	"strings"
	"unicode/utf8"
)

// python reads arguments that are written as in Python: city="Paris", days=[1, 2]).
func (p *Parser) python() bool {
	s := strings.TrimLeft(p.buf, blanks)
	s = s[:min(len(s), maxHead)]
	switch {
	case s == "":
		return false
	case s[0] == ')':
		p.buf = strings.TrimLeft(p.buf, blanks)[1:]
		if p.members == 0 {
			p.arguments("{")
		}
		p.arguments("}")
		p.endCall()
		return true
	case s[0] == ',' && p.members > 0:
		s = strings.TrimLeft(s[1:], blanks)
	case p.members > 0:
		return p.broken()
	}
	name, value, n, v := pythonPair(s, p.final)
	switch {
	case v == need && len(s) < maxHead:
		p.wait = len(p.buf) + len(p.buf)/8
		return false
	case v != yes:
		return p.broken()
	}
	p.buf = strings.TrimLeft(p.buf, blanks)
	if p.members > 0 {
		p.buf = strings.TrimLeft(p.buf[1:], blanks)
	}
	p.buf = p.buf[n:]
	p.key(name)
	p.arguments(value)
	return true
}

// pythonPair reads name=value, up to what follows it.
func pythonPair(s string, final bool) (name, value string, n int, v verdict) {
	for n < len(s) && (s[n] == '_' || s[n] >= '0' && s[n] <= '9' || s[n]|0x20 >= 'a' && s[n]|0x20 <= 'z') {
		n++
	}
	name = s[:n]
	n += blanksOf(s[n:])
	if n == len(s) {
		return "", "", 0, need.or(final)
	}
	if name == "" || s[n] != '=' {
		return "", "", 0, no
	}
	n += 1 + blanksOf(s[n+1:])
	l := literal{text: s, at: n}
	value, v = l.value(0)
	return name, value, l.at, v.or(final)
}

// literal reads a value of Python, or of JSON, and writes it as JSON.
type literal struct {
	text string
	at   int
}

func (l *literal) blanks() { l.at += blanksOf(l.text[l.at:]) }

func (l *literal) value(depth int) (string, verdict) {
	l.blanks()
	if l.at == len(l.text) {
		return "", need
	}
	switch c := l.text[l.at]; {
	case depth > 64:
		return "", no
	case c == '"' || c == '\'':
		return l.string()
	case c == '[' || c == '(':
		return l.items(depth, map[byte]byte{'[': ']', '(': ')'}[c], "[", "]", false)
	case c == '{':
		return l.items(depth, '}', "{", "}", true)
	}
	n := strings.IndexAny(l.text[l.at:], ",)]} \t\r\n")
	if n > maxScalar || n < 0 && len(l.text)-l.at > maxScalar {
		return "", no
	}
	if n < 0 {
		return "", need
	}
	word := l.text[l.at : l.at+n]
	l.at += n
	if out := converted(word, anyType&^stringType); out[0] != '"' {
		return out, yes
	}
	return "", no
}

// items reads a list, or the pairs of a dict.
func (l *literal) items(depth int, end byte, opens, closes string, pairs bool) (string, verdict) {
	var b strings.Builder
	b.WriteString(opens)
	l.at++
	for first := true; ; first = false {
		l.blanks()
		if l.at == len(l.text) {
			return "", need
		}
		if l.text[l.at] == end {
			l.at++
			b.WriteString(closes)
			return b.String(), yes
		}
		if !first {
			if l.text[l.at] != ',' {
				return "", no
			}
			l.at++
			l.blanks()
			if l.at < len(l.text) && l.text[l.at] == end {
				continue
			}
			b.WriteByte(',')
		}
		if pairs {
			key, v := l.value(depth + 1)
			if v != yes || key[0] != '"' {
				return "", v.unless(v == yes)
			}
			l.blanks()
			if v := prefix(l.text[l.at:], ":", false); v != yes {
				return "", v
			}
			l.at++
			b.WriteString(key + ":")
		}
		item, v := l.value(depth + 1)
		if v != yes {
			return "", v
		}
		b.WriteString(item)
	}
}

// unless returns no if a condition holds.
func (v verdict) unless(not bool) verdict {
	if not {
		return no
	}
	return v
}

// string reads a string in single or double quotes.
func (l *literal) string() (string, verdict) {
	quote := l.text[l.at]
	var b strings.Builder
	for i := l.at + 1; i < len(l.text); i++ {
		switch c := l.text[i]; {
		case c == quote:
			l.at = i + 1
			return quoted(b.String()), yes
		case c != '\\':
			b.WriteByte(c)
		default:
			n, r := pythonEscape(l.text[i+1:])
			if n == 0 {
				return "", need
			}
			b.WriteString(r)
			i += n
		}
	}
	return "", need
}

// pythonEscape reads what is behind a backslash; 0 bytes if more is needed.
func pythonEscape(s string) (int, string) {
	if s == "" {
		return 0, ""
	}
	if i := strings.IndexByte("nrtbf0\\'\"/", s[0]); i >= 0 {
		return 1, "\n\r\t\b\f\x00\\'\"/"[i : i+1]
	}
	if s[0] == 'u' {
		piece, n, v := unescaped(`\`+s, false)
		switch v {
		case need:
			return 0, ""
		case yes:
			return n - 1, piece
		}
	}
	_, n := utf8.DecodeRuneInString(s)
	return n, `\` + s[:n]
}
