package answer

import "strings"

// scanner checks an array or an object of JSON while it streams.
type scanner struct {
	open []byte // what is open: { or [
	want want
	word string // what is left of true, false or null, or the digits of \u
	num  number
	done bool
}

// want is what comes next.
type want int

const (
	wantValue want = iota
	wantFirst      // a value, or the end of the array
	wantKey
	wantFirstKey // a key, or the end of the object
	wantColon
	wantComma // or the end
	inString
	inKey
	inEscape
	inKeyEscape
	inHex
	inKeyHex
	inWord
	inNumber
)

// number is a place in a number.
type number int

const (
	numSign number = iota
	numZero
	numDigits
	numPoint
	numFraction
	numE
	numESign
	numExponent
)

// feed returns how many bytes go on with the value, up to its end, and whether the next one may.
func (s *scanner) feed(text string) (int, bool) {
	for i := 0; i < len(text); i++ {
		if s.done {
			return i, true
		}
		if !s.byte(text[i]) {
			return i, false
		}
	}
	return len(text), true
}

func (s *scanner) byte(c byte) bool {
	switch s.want {
	case inString, inKey:
		return s.inText(c)
	case inEscape, inKeyEscape, inHex, inKeyHex:
		return s.escape(c)
	case inWord:
		if s.word[0] != c {
			return false
		}
		if s.word = s.word[1:]; s.word == "" {
			s.want = wantComma
		}
		return true
	case inNumber:
		if s.digit(c) {
			return true
		}
		if s.num != numZero && s.num != numDigits && s.num != numFraction && s.num != numExponent {
			return false
		}
		s.want = wantComma
	}
	if strings.IndexByte(blanks, c) >= 0 {
		return len(s.open) > 0
	}
	return s.token(c)
}

// inText takes a byte of a string.
func (s *scanner) inText(c byte) bool {
	switch {
	case c == '"' && s.want == inKey:
		s.want = wantColon
	case c == '"':
		s.want = wantComma
	case c == '\\':
		s.want += inEscape - inString
	case c < ' ':
		return false
	}
	return true
}

// escape takes a byte behind a backslash.
func (s *scanner) escape(c byte) bool {
	switch s.want {
	case inEscape, inKeyEscape:
		switch {
		case c == 'u':
			s.want, s.word = s.want+inHex-inEscape, "0000"
		case strings.IndexByte(`"\/bfnrt`, c) >= 0:
			s.want -= inEscape - inString
		default:
			return false
		}
	default:
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') {
			return false
		}
		if s.word = s.word[1:]; s.word == "" {
			s.want -= inHex - inString
		}
	}
	return true
}

// digit takes a byte of a number.
func (s *scanner) digit(c byte) bool {
	isDigit := c >= '0' && c <= '9'
	var next number
	switch {
	case isDigit && s.num == numSign && c == '0':
		next = numZero
	case isDigit && (s.num == numSign || s.num == numDigits):
		next = numDigits
	case isDigit && (s.num == numPoint || s.num == numFraction):
		next = numFraction
	case isDigit && s.num >= numE:
		next = numExponent
	case c == '.' && (s.num == numZero || s.num == numDigits):
		next = numPoint
	case (c == 'e' || c == 'E') && (s.num == numZero || s.num == numDigits || s.num == numFraction):
		next = numE
	case (c == '+' || c == '-') && s.num == numE:
		next = numESign
	default:
		return false
	}
	s.num = next
	return true
}

// token takes a byte outside of strings, words and numbers.
func (s *scanner) token(c byte) bool {
	value := s.want == wantValue || s.want == wantFirst
	switch {
	case len(s.open) == 0 && c != '{' && c != '[':
		return false
	case value && (c == '{' || c == '['):
		if len(s.open) == maxDepth {
			return false
		}
		s.open = append(s.open, c)
		s.want = wantFirstKey
		if c == '[' {
			s.want = wantFirst
		}
	case c == '}' && (s.want == wantFirstKey || s.want == wantComma) && s.open[len(s.open)-1] == '{',
		c == ']' && (s.want == wantFirst || s.want == wantComma) && s.open[len(s.open)-1] == '[':
		s.open = s.open[:len(s.open)-1]
		s.want, s.done = wantComma, len(s.open) == 0
	case c == ',' && s.want == wantComma:
		s.want = wantValue
		if s.open[len(s.open)-1] == '{' {
			s.want = wantKey
		}
	case c == ':' && s.want == wantColon:
		s.want = wantValue
	case c == '"' && (s.want == wantKey || s.want == wantFirstKey):
		s.want = inKey
	case c == '"' && value:
		s.want = inString
	case value && (c == 't' || c == 'f' || c == 'n'):
		s.want = inWord
		s.word = map[byte]string{'t': "rue", 'f': "alse", 'n': "ull"}[c]
	case value && (c == '-' || c >= '0' && c <= '9'):
		s.want, s.num = inNumber, numSign
		return c == '-' || s.digit(c)
	default:
		return false
	}
	return true
}

// jsonString returns the string with which a text begins, with its quotes.
func jsonString(s string) (string, verdict) {
	if s == "" {
		return "", need
	}
	if s[0] != '"' {
		return "", no
	}
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case s[i] == '"':
			return s[:i+1], yes
		case s[i] < ' ':
			return "", no
		}
	}
	return "", need
}

// jsonValue returns the JSON value with which a text begins.
func jsonValue(s string, final bool) (string, verdict) {
	if s == "" {
		return "", need
	}
	switch s[0] {
	case '"':
		return jsonString(s)
	case '{', '[':
		var c scanner
		n, ok := c.feed(s)
		switch {
		case c.done:
			return s[:n], yes
		case !ok:
			return "", no
		}
		return "", need
	}
	n := strings.IndexAny(s, ",}] \t\r\n")
	if n < 0 && !final && len(s) <= maxScalar {
		return "", need
	}
	if n < 0 {
		n = len(s)
	}
	if n > maxScalar || !isScalar(s[:n]) {
		return "", no
	}
	return s[:n], yes
}

// isScalar reports whether a text is a number, true, false or null.
func isScalar(s string) bool {
	var c scanner
	n, ok := c.feed("[" + s + "]")
	return ok && c.done && n == len(s)+2 && s != "" && !strings.ContainsAny(s, "[{\", \t\r\n")
}

// escaped returns a text as it is in a JSON string, without quotes.
func escaped(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' }) < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c < ' ':
			b.WriteString(`\u00`)
			b.WriteByte("0123456789abcdef"[c>>4])
			b.WriteByte("0123456789abcdef"[c&15])
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func quoted(s string) string { return `"` + escaped(s) + `"` }
