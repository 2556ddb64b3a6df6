package check

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/seed7adf6694/infer/internal/words"
	"github.com/seed7adf6694/infer/loader/gguf"
)

// checkMerges checks the merges of a byte-pair vocabulary.
func checkMerges(v *vocabulary) error {
	if _, ok := v.ix.Lookup("tokenizer.ggml.merges"); !ok && v.engine >= EngineV0_5 && v.preTokenizer() == "kimi-k2" {
		return nil // it has none
	}
	merges, err := v.array("merges", gguf.ValueString)
	if err != nil {
		return err
	}
	for i, text := range stringsOf(merges) {
		if len(text) < 2 || !strings.Contains(text[1:], " ") {
			return v.failAt("merges", i, words.Literal(text), "a merge is two parts with a space between them")
		}
	}
	return nil
}

// checkWordPieces: a token of type byte has no meaning in a BERT vocabulary; the engine aborts on it.
func checkWordPieces(v *vocabulary) error {
	for i, t := range v.types {
		if t == tokenByte {
			return v.failAt("token_type", i, fmt.Sprint(t), "a bert vocabulary has no byte tokens")
		}
	}
	return nil
}

// checkRWKV: the tokeniser looks for the longest token at each byte. If it enters the tree of tokens
// and leaves it without a match, it restarts at the beginning of the text, endlessly; and it
// reads past the end of the text along NULs.
func checkRWKV(v *vocabulary) error {
	const maxNULs = 16
	var first, single [256]int
	for i, text := range v.texts() {
		b := unescapeRWKV(text)
		if len(b) == 0 {
			continue
		}
		first[b[0]] = i + 1
		if len(b) == 1 {
			single[b[0]] = i + 1
		}
		for j, run := 0, 0; j < len(b); j++ {
			if run++; b[j] != 0 {
				run = 0
			}
			if run > maxNULs {
				return v.failAt("tokens", i, words.Literal(text), fmt.Sprintf("more than %d NULs in a row", maxNULs))
			}
		}
	}
	for b, i := range first {
		if i > 0 && single[b] == 0 {
			return v.failAt("tokens", i-1, fmt.Sprintf("byte 0x%02x", b), "a token begins with a byte that is no token by itself")
		}
	}
	return nil
}

// unescapeRWKV decodes \t, \n, \r, \xHH and escaped characters as the engine does.
func unescapeRWKV(s string) []byte {
	var out []byte
	digit := func(c byte) byte {
		if c >= 'a' {
			return c - 'a' + 10
		}
		return c - '0'
	}
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			out = append(out, s[i])
			continue
		}
		if i++; i >= len(s) {
			break
		}
		switch s[i] {
		case 't':
			out = append(out, '\t')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 'x':
			if i+2 >= len(s) {
				return out
			}
			out = append(out, digit(s[i+1])<<4+digit(s[i+2]))
			i += 2
		default:
			out = append(out, s[i])
		}
	}
	return out
}

// checkPLaMo: the tokeniser indexes tables by the values of byte tokens and needs all 256 of them,
// none with id 0; other tokens must be UTF-8, or the recorded lengths do not match the text.
func checkPLaMo(v *vocabulary) error {
	var have [256]bool
	for i, text := range v.texts() {
		if v.types == nil || v.types[i] != tokenByte {
			if !utf8.ValidString(text) {
				return v.failAt("tokens", i, words.Literal(text), "not UTF-8")
			}
			continue
		}
		if len(text) != 6 || !strings.HasPrefix(text, "<0x") || text[5] != '>' {
			continue // the engine ignores it
		}
		b, err := strconv.ParseUint(text[3:5], 16, 8)
		if err != nil {
			return v.failAt("tokens", i, words.Literal(text), "not a byte in two hexadecimal digits")
		}
		have[b] = have[b] || i > 0
	}
	for b, ok := range have {
		if !ok {
			return v.fail("tokens", fmt.Sprintf("<0x%02X>", b), "a plamo2 vocabulary needs all 256 byte tokens, none of them the first token")
		}
	}
	return nil
}
