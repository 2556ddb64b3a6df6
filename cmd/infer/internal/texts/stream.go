package texts

import (
	"strings"
	"unicode/utf8"
)

// Stream makes a text that comes in pieces harmless on a terminal: control characters, from which escape
// sequences are made, and those that change the order of text are escaped, as by [OneLine]. Line ends
// and tabs stay. The zero value is ready for use. It is not safe for concurrent use.
type Stream struct {
	held string // a carriage return that may end a line, or an incomplete character
}

// Push adds a piece, and returns what is certain.
func (t *Stream) Push(piece string) string { return t.escape(piece, false) }

// End returns the rest. The next piece begins another text.
func (t *Stream) End() string { return t.escape("", true) }

func (t *Stream) escape(piece string, end bool) string {
	s := t.held + piece
	t.held = ""
	var b strings.Builder
	for s != "" {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case !end && (s == "\r" || !utf8.FullRuneInString(s)):
			t.held = s
			return b.String()
		case strings.HasPrefix(s, "\r\n"):
			n = 2
			b.WriteString("\r\n")
		case r == '\n' || r == '\t' || !obeyed(r) && (r != utf8.RuneError || n > 1):
			b.WriteString(s[:n])
		default:
			b.WriteString(escaped(s))
		}
		s = s[n:]
	}
	return b.String()
}

// obeyed reports whether a terminal takes a character as a command: C0, DEL, C1, and what sets the
// direction of the text that follows.
func obeyed(r rune) bool {
	return r < 0x20 || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}
