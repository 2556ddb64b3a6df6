// Package text makes the text of a generation of the bytes of its tokens.
package text

import (
	"strings"
	"unicode/utf8"
)

// Stream turns the bytes of tokens into text that is certain: characters that
// span tokens come out whole, and what may turn out to begin a stop string is held
// back until it is known not to.
type Stream struct {
	Stops []string
	raw   []byte // bytes of a character that is not complete
	held  string // text that ends in the beginning of a stop string
}

// Push adds a token's bytes. It returns the text that has become certain, and
// whether a stop string was reached: then nothing of it, nor anything after, is
// returned ever.
func (t *Stream) Push(piece []byte) (text string, stopped bool) {
	t.raw = append(t.raw, piece...)
	n := completeRunes(t.raw)
	s := t.held + strings.ToValidUTF8(string(t.raw[:n]), "\uFFFD")
	t.raw = append(t.raw[:0], t.raw[n:]...)

	first := -1
	for _, stop := range t.Stops {
		if i := strings.Index(s, stop); i >= 0 && (first < 0 || i < first) {
			first = i
		}
	}
	if first >= 0 {
		t.held, t.raw = "", t.raw[:0]
		return s[:first], true
	}
	keep := 0
	for _, stop := range t.Stops {
		keep = max(keep, overlap(s, stop))
	}
	t.held = s[len(s)-keep:]
	return s[:len(s)-keep], false
}

// Flush returns what is left when no more tokens come.
func (t *Stream) Flush() string {
	s := t.held + strings.ToValidUTF8(string(t.raw), "\uFFFD")
	t.held, t.raw = "", t.raw[:0]
	return s
}

// completeRunes returns the length of the prefix of b that no further byte can
// change: all but an unfinished character at the end.
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
