package texts

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/seed7adf6694/infer/internal/words"
)

// WriteJSON writes one value on one line. Invalid UTF-8 becomes U+FFFD, and characters that do not
// print are escaped: terminals interpret some of them as commands.
func WriteJSON(w io.Writer, v any) error {
	text, err := words.EncodeJSON(v)
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, escapeJSON(string(text)))
	return err
}

// escapeJSON escapes characters that do not print; the encoder does so only below U+0020.
func escapeJSON(s string) string {
	hidden := func(r rune) bool { return r >= 0x7f && !unicode.IsPrint(r) }
	if strings.IndexFunc(s, hidden) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if !hidden(r) {
			b.WriteRune(r)
			continue
		}
		for _, u := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, u)
		}
	}
	return b.String()
}
