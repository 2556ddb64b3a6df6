package pretoken

import "unicode/utf8"

// The engine's tokenizer of SentencePiece vocabularies copies all tokens so far for each character that no
// token has. So texts with many of them are tokenized in parts.
const (
	longText    = 4096 // bytes of a text from which on that matters
	mostForeign = 512  // such characters of a part
)

// Characters are the characters of a vocabulary's tokens.
type Characters map[rune]struct{}

// Add adds those of a token.
func (c Characters) Add(token string) {
	for _, r := range token {
		c[r] = struct{}{}
	}
}

// Parts splits a text between characters of which neither is in a token: no token spans them. The parts
// have little more than 512 such characters. The text is UTF-8.
func (c Characters) Parts(text string) (parts []string) {
	from, foreign, before := 0, 0, false
	for i, r := range text {
		_, known := c[r]
		known = known || r == ' ' // which tokens write otherwise
		switch {
		case known:
		case before && foreign >= mostForeign:
			parts = append(parts, text[from:i])
			from, foreign = i, 1
		default:
			foreign++
		}
		before = !known
	}
	return append(parts, text[from:])
}

// Long reports whether Parts may be of use for a text.
func Long(text string) bool { return len(text) >= longText && utf8.ValidString(text) }
