package words

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Quoted quotes a name or an argument for a message of one line, as %q does, but leaves backslashes
// as they are, for paths on Windows.
func Quoted(s string) string { return `"` + escaped(s, true) + `"` }

// escaped replaces unprintable characters by escapes, and adds quotes.
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

// MostShown is the maximum number of bytes shown of one part of an error.
const MostShown = 600

// Literal returns text of a file for an error, as a Go string literal, truncated if it is long.
func Literal(s string) string {
	if len(s) <= maxShownName {
		return strconv.Quote(s)
	}
	return fmt.Sprintf("%s… (%d bytes)", strconv.Quote(s[:maxShownName]), len(s))
}

// QuotePath returns a path for an error, on one line whatever its name.
func QuotePath(path string) string { return Printable(path, len(path)) }

// Printable returns s with everything escaped that could end or disguise a line of a terminal or log,
// truncated to about limit bytes.
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
