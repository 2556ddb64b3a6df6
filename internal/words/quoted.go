package words

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Quoted puts a name or an argument into quotes for a message of one line, as %q does, but
// for backslashes: paths on Windows are full of them, and they stay as they are.
func Quoted(s string) string { return `"` + escaped(s, true) + `"` }

// escaped replaces what would not print by escapes, and quotes where they are to be.
func escaped(s string, quotes bool) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"): // no UTF-8
			b.WriteString(`\x` + strconv.FormatUint(uint64(s[i])|1<<8, 16)[1:])
		case r == '\\', r == '"' && !quotes:
			b.WriteRune(r)
		default:
			q := strconv.Quote(string(r))
			b.WriteString(q[1 : len(q)-1])
		}
	}
	return b.String()
}

const maxShownName = 80 // bytes of a name or a text of a file in an error

// MostShown is how many bytes of one part of an error are shown.
const MostShown = 600

// Quote returns text of a file as it appears in errors: a Go string literal, and
// not for pages.
func Quote(s string) string {
	if len(s) <= maxShownName {
		return strconv.Quote(s)
	}
	return fmt.Sprintf("%s… (%d bytes)", strconv.Quote(s[:maxShownName]), len(s))
}

// QuotePath keeps an error on one line, whatever a file is called.
func QuotePath(path string) string { return Printable(path, len(path)) }

// Printable returns s with everything escaped that could end or disguise a line
// of a terminal or log, and cut to about limit bytes.
func Printable(s string, limit int) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }) {
		s = escaped(s, false)
		limit = max(limit, 4*limit) // an escape takes up to that many bytes
	}
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit] + "…"
}
