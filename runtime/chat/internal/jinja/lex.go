package jinja

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// kind is a kind of token.
type kind int

const (
	tText     kind = iota // outside of tags
	tVarBegin             // {{
	tVarEnd
	tTagBegin // {%
	tTagEnd
	tName
	tString
	tInt
	tFloat
	tOp
	tEnd
)

type token struct {
	kind kind
	s    string
	line int
}

// lexer splits a template into tokens as jinja2.lexer does, with trim_blocks and lstrip_blocks.
type lexer struct {
	src    string
	pos    int
	line   int
	tokens []token
	starts bool // the last tag ended a line
}

func syntax(line int, format string, args ...any) error {
	return &Error{Line: line, Reason: fmt.Sprintf(format, args...), Kind: ErrSyntax}
}

func lex(src string) ([]token, error) {
	src = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(src)
	l := lexer{src: strings.TrimSuffix(src, "\n"), line: 1, starts: true}
	for l.pos < len(l.src) {
		if err := l.segment(); err != nil {
			return nil, err
		}
	}
	return append(l.tokens, token{tEnd, "", l.line}), nil
}

func (l *lexer) add(k kind, s string) { l.tokens = append(l.tokens, token{k, s, l.line}) }

// skip moves on by n bytes.
func (l *lexer) skip(n int) string {
	s := l.src[l.pos : l.pos+n]
	l.pos += n
	l.line += strings.Count(s, "\n")
	return s
}

// segment reads a text and the tag after it.
func (l *lexer) segment() error {
	rest := l.src[l.pos:]
	begin := -1
	for i := 0; i+1 < len(rest); i++ {
		if rest[i] == '{' && strings.IndexByte("{%#", rest[i+1]) >= 0 {
			begin = i
			break
		}
	}
	if begin < 0 {
		l.addText(rest)
		l.skip(len(rest))
		return nil
	}
	text, what, sign := rest[:begin], rest[begin+1], byte(0)
	n := 2
	if begin+2 < len(rest) && (rest[begin+2] == '-' || rest[begin+2] == '+') {
		sign, n = rest[begin+2], 3
	}
	switch {
	case sign == '-':
		text = strings.TrimRightFunc(text, unicode.IsSpace)
	case sign != '+' && what != '{':
		from := strings.LastIndexByte(text, '\n') + 1
		if (from > 0 || l.starts) && strings.TrimSpace(text[from:]) == "" {
			text = text[:from]
		}
	}
	l.addText(text)
	l.skip(begin)
	line := l.line
	if what == '#' {
		return l.comment(n)
	}
	if what == '%' {
		if m := rawBegin.FindString(l.src[l.pos:]); m != "" {
			return l.raw(m)
		}
	}
	l.skip(n)
	end := "}}"
	l.tokens = append(l.tokens, token{tVarBegin, "{{", line})
	if what == '%' {
		end = "%}"
		l.tokens[len(l.tokens)-1] = token{tTagBegin, "{%", line}
	}
	return l.tag(end)
}

func (l *lexer) addText(s string) {
	if s != "" {
		l.add(tText, s)
	}
}

// closed skips what an end of a tag takes with it: all space after -, a newline after tags.
func (l *lexer) closed(minus, trim bool) {
	rest := l.src[l.pos:]
	from := l.pos
	switch {
	case minus:
		l.skip(len(rest) - len(strings.TrimLeftFunc(rest, unicode.IsSpace)))
	case trim && strings.HasPrefix(rest, "\n"):
		l.skip(1)
	}
	l.starts = l.pos > from && l.src[l.pos-1] == '\n'
}

func (l *lexer) comment(n int) error {
	line := l.line
	l.skip(n)
	end := strings.Index(l.src[l.pos:], "#}")
	if end < 0 {
		return syntax(line, "missing end of comment tag")
	}
	body := l.skip(end + 2)
	body = body[:end]
	l.closed(strings.HasSuffix(body, "-"), !strings.HasSuffix(body, "+"))
	return nil
}

var (
	rawBegin = regexp.MustCompile(`^\{%[-+]?\s*raw\s*-?%\}`)
	rawEnd   = regexp.MustCompile(`\{%([-+]?)\s*endraw\s*([-+]?)%\}`)
)

func (l *lexer) raw(begin string) error {
	line := l.line
	l.skip(len(begin))
	l.closed(strings.HasSuffix(begin, "-%}"), true)
	m := rawEnd.FindStringSubmatchIndex(l.src[l.pos:])
	if m == nil {
		return syntax(line, "missing end of raw directive")
	}
	text := l.src[l.pos : l.pos+m[0]]
	switch sign := l.src[l.pos+m[2] : l.pos+m[3]]; {
	case sign == "-":
		text = strings.TrimRightFunc(text, unicode.IsSpace)
	case sign == "":
		if from := strings.LastIndexByte(text, '\n') + 1; strings.TrimSpace(text[from:]) == "" {
			text = text[:from]
		}
	}
	sign := l.src[l.pos+m[4] : l.pos+m[5]]
	l.addText(text)
	l.skip(m[1])
	l.closed(sign == "-", sign != "+")
	return nil
}

var (
	intPattern   = regexp.MustCompile(`^(0[bB](_?[01])+|0[oO](_?[0-7])+|0[xX](_?[\da-fA-F])+|[1-9](_?\d)*|0(_?0)*)`)
	floatPattern = regexp.MustCompile(`^(\d+_)*\d+((\.(\d+_)*\d+)?[eE][+\-]?(\d+_)*\d+|\.(\d+_)*\d+)`)
)

// tag reads the inside of a tag.
func (l *lexer) tag(end string) error {
	begin := l.line
	open := []byte{}
	for {
		rest := l.src[l.pos:]
		trimmed := strings.TrimLeftFunc(rest, unicode.IsSpace)
		l.skip(len(rest) - len(trimmed))
		rest = trimmed
		if rest == "" {
			return syntax(begin, "the tag has no end: %s is missing", end)
		}
		if len(open) == 0 {
			for _, sign := range []string{"-", "+", ""} {
				if strings.HasPrefix(rest, sign+end) && (sign != "+" || end == "%}") {
					k := tVarEnd
					if end == "%}" {
						k = tTagEnd
					}
					l.add(k, end)
					l.skip(len(sign + end))
					l.closed(sign == "-", sign == "" && end == "%}")
					return nil
				}
			}
		}
		if err := l.token(rest, &open); err != nil {
			return err
		}
	}
}

var closing = map[byte]byte{'(': ')', '[': ']', '{': '}'}

// token reads one token of a tag.
func (l *lexer) token(rest string, open *[]byte) error {
	r, _ := utf8.DecodeRuneInString(rest)
	switch {
	case r == '_' || unicode.IsLetter(r):
		n := strings.IndexFunc(rest, func(r rune) bool {
			return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.Mn, r)
		})
		if n < 0 {
			n = len(rest)
		}
		l.add(tName, rest[:n])
		l.skip(n)
		return nil
	case r == '"' || r == '\'':
		return l.quoted(rest)
	case r >= '0' && r <= '9':
		if m := floatPattern.FindString(rest); m != "" {
			l.add(tFloat, m)
			l.skip(len(m))
			return nil
		}
		m := intPattern.FindString(rest)
		l.add(tInt, m)
		l.skip(len(m))
		return nil
	}
	for _, op := range []string{"**", "//", "==", "!=", ">=", "<="} {
		if strings.HasPrefix(rest, op) {
			l.add(tOp, op)
			l.skip(2)
			return nil
		}
	}
	if strings.IndexByte("+-/*%~[](){}><=.:|,;", rest[0]) < 0 {
		return syntax(l.line, "unexpected char %q", r)
	}
	switch c := rest[0]; c {
	case '(', '[', '{':
		*open = append(*open, closing[c])
	case ')', ']', '}':
		if n := len(*open); n == 0 || (*open)[n-1] != c {
			return syntax(l.line, "unexpected %q", c)
		}
		*open = (*open)[:len(*open)-1]
	}
	l.add(tOp, rest[:1])
	l.skip(1)
	return nil
}

// quoted reads a string.
func (l *lexer) quoted(rest string) error {
	for i := 1; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			i++
		case rest[0]:
			s, err := unescape(rest[1:i])
			if err != nil {
				return syntax(l.line, "%v", err)
			}
			l.add(tString, s)
			l.skip(i + 1)
			return nil
		}
	}
	return syntax(l.line, "the string has no end")
}

var simpleEscapes = map[byte]string{'\n': "", '\\': "\\", '\'': "'", '"': "\"", 'a': "\a", 'b': "\b", 'f': "\f", 'n': "\n", 'r': "\r", 't': "\t", 'v': "\v"}

// unescape replaces Python's escape sequences.
func unescape(s string) (string, error) {
	if !strings.Contains(s, "\\") {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		c := s[i]
		if to, ok := simpleEscapes[c]; ok {
			b.WriteString(to)
			continue
		}
		base, from, most := 16, i+1, map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
		if c >= '0' && c <= '7' {
			base, from, most = 8, i, 3
		}
		if most == 0 {
			b.WriteByte('\\')
			b.WriteByte(c)
			continue
		}
		n, at := 0, from
		for at < len(s) && at < from+most && digit(s[at]) < base {
			n = n*base + digit(s[at])
			at++
		}
		if base == 16 && at != from+most || n > unicode.MaxRune {
			return "", fmt.Errorf("truncated escape \\%c in a string", c)
		}
		b.WriteRune(rune(n))
		i = at - 1
	}
	return b.String(), nil
}

func digit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return 99
}
