// Package text converts the bytes of generated tokens into text.
package text

import (
	"strings"
	"unicode/utf8"
)

// Stream converts the bytes of tokens into whole UTF-8 characters, and ends at stop strings. A
// possible beginning of a stop string is held back until it is clear that it is none. The zero
// value has no stop strings. It is not safe for concurrent use.
type Stream struct {
	Stops []string // not empty, valid UTF-8
	raw   []byte   // bytes of an incomplete character
	held  string   // a possible beginning of a stop string
}

// Push adds a token's bytes. It returns the text that they complete, and the stop string that was
// reached, "" if none was. The stop string and the text after it are never part of the text.
func (t *Stream) Push(piece []byte) (text, stop string) {
	t.raw = append(t.raw, piece...)
	n := completeRunes(t.raw)
	s := t.held + strings.ToValidUTF8(string(t.raw[:n]), "\uFFFD")
	t.raw = append(t.raw[:0], t.raw[n:]...)

	first := -1
	for _, candidate := range t.Stops {
		if i := strings.Index(s, candidate); i >= 0 && (first < 0 || i < first) {
			first, stop = i, candidate
		}
	}
	if first >= 0 {
		t.held, t.raw = "", t.raw[:0]
		return s[:first], stop
	}
	keep := 0
	for _, candidate := range t.Stops {
		keep = max(keep, overlap(s, candidate))
	}
	t.held = s[len(s)-keep:]
	return s[:len(s)-keep], ""
}

// Flush returns the text that was held back, at the end of the generation.
func (t *Stream) Flush() string {
	s := t.held + strings.ToValidUTF8(string(t.raw), "\uFFFD")
	t.held, t.raw = "", t.raw[:0]
	return s
}

// completeRunes returns the length of b without an incomplete character at its end.
func completeRunes(b []byte) int {
	for back := 1; back <= min(len(b), utf8.UTFMax); back++ {
		i := len(b) - back
		if !utf8.RuneStart(b[i]) {
			continue
		}
		if utf8.FullRune(b[i:]) {
			return len(b)
		}
		return i
	}
	return len(b)
}

// overlap returns the length of the longest proper prefix of stop that ends s.
func overlap(s, stop string) int {
	for n := min(len(s), len(stop)-1); n > 0; n-- {
		if strings.HasSuffix(s, stop[:n]) {
			return n
		}
	}
	return 0
}
