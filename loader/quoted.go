package loader

import (
	"strconv"
	"strings"
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
