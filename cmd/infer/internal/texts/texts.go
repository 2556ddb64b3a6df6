// Package texts escapes, wraps and encodes texts for terminals and programs: texts from files and
// from the engine may contain anything.
package texts

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/seed7adf6694/infer/internal/words"
)

// OneLine returns a text for one line of a terminal: characters that do not print are escaped.
func OneLine(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == '\n':
			b.WriteString("; ")
		case unicode.IsPrint(r) && (r != utf8.RuneError || strings.HasPrefix(s[i:], "\uFFFD")):
			b.WriteRune(r)
		default:
			b.WriteString(escaped(s[i:]))
		}
	}
	return b.String()
}

// escaped returns the first character of a text, or its first byte if that begins none, as an escape.
func escaped(s string) string {
	switch r, n := utf8.DecodeRuneInString(s); {
	case r < 0x80 || r == utf8.RuneError && n == 1:
		return fmt.Sprintf(`\x%02x`, s[0])
	case r < 0x10000:
		return fmt.Sprintf(`\u%04x`, r)
	default:
		return fmt.Sprintf(`\U%08x`, r)
	}
}

// shownRunes is the length, in characters, to which a long string is abbreviated: about a line.
const shownRunes = 60

// Visible returns a string from a file for a terminal: unchanged if all characters print, quoted
// otherwise, and abbreviated if it is long.
func Visible(s string, full bool) string {
	cut := ""
	if !full && utf8.RuneCountInString(s) > shownRunes {
		end := 0
		for range shownRunes - 1 {
			_, n := utf8.DecodeRuneInString(s[end:])
			end += n
		}
		s, cut = s[:end], "…"
	}
	if prints(s) {
		return s + cut
	}
	return words.Quoted(s) + cut
}

// prints reports whether a string can be shown unquoted, and is visible.
func prints(s string) bool {
	if s == "" || s[0] == ' ' || s[len(s)-1] == ' ' || s[0] == '"' || !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// Number formats large numbers in short form: 3.9 M, 1.1 B (billion).
func Number(n uint64) string {
	f, unit := float64(n), ""
	for _, u := range []string{"k", "M", "B", "T"} {
		if f < 999.95 {
			break
		}
		f, unit = f/1000, " "+u
	}
	if unit == "" {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%.3g%s", f, unit)
}
