package texts

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"
)

// WriteJSON writes one value on one line. Bytes that are no UTF-8 become U+FFFD, and
// what does not print is escaped: terminals take some of it as commands.
func WriteJSON(w io.Writer, v any) error {
	text, err := EncodeJSON(v)
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, escapeJSON(string(text)))
	return err
}

// EncodeJSON encodes one value on one line, without the escapes that HTML needs.
func EncodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

// escapeJSON escapes what does not print; the encoder does so below U+0020 only.
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
