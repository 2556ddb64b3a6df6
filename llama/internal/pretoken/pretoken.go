// Package pretoken knows what the engine's splitting of texts into words, before they are
// split into tokens, would not survive.
package pretoken

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Most byte-pair vocabularies are split into words by regular expressions before they
// are split into tokens. The engine uses std::regex, whose matcher recurses for every
// character of a match, about 320 bytes of stack each when compiled with -O2. A match
// never goes beyond a word and the space behind it.
const (
	maxWordDirect = 256     // characters that fit any thread's stack
	maxWord       = 1 << 17 // characters for which a stack is reserved
	stackOfChar   = 1 << 10 // bytes
	stackBase     = 1 << 20 // bytes
)

// regexFree are the values of tokenizer.ggml.pre whose splitting the engine has
// written out, or whose expressions match one character.
var regexFree = map[string]bool{
	"llama3": true, "llama-v3": true, "llama-bpe": true, "falcon3": true, "falcon-h1": true, "pixtral": true, "midm-2.0": true, "lfm2": true,
	"dbrx": true, "smaug-bpe": true, "glm4": true, "chatglm-bpe": true, "kimi-k2": true,
	"gpt-2": true, "phi-2": true, "jina-es": true, "jina-de": true, "gigachat": true, "jina-v2-es": true, "jina-v2-de": true, "a.x-4.0": true, "mellum": true,
	"jina-v1-en": true, "jina-v2-code": true, "roberta-bpe": true, "exaone4": true, "mpt": true, "olmo": true, "jais": true, "trillion": true, "granite-docling": true,
	"starcoder": true, "refact": true, "command-r": true, "smollm": true, "codeshell": true, "exaone": true, "minerva-7b": true,
}

// Recurses tells whether the engine splits the words of a vocabulary by recursion, which
// takes stack: pre is its tokenizer.ggml.pre.
func Recurses(pre string) bool { return !regexFree[pre] }

// Stack returns the size in bytes of the stack that splitting a text may need, 0
// where any will do.
func Stack(text string) (int, error) {
	n := longestWord(text)
	switch {
	case n <= maxWordDirect:
		return 0, nil
	case n > maxWord:
		return 0, fmt.Errorf("a word of %d characters, at most %d without a space are possible with this vocabulary", n, maxWord)
	}
	return stackBase + n*stackOfChar, nil
}

// longestWord counts the characters of the longest word, with the space behind it, and
// bytes that are no characters as one each.
func longestWord(text string) int {
	if len(text) <= maxWordDirect {
		return len(text)
	}
	longest, n, behind := 0, 0, false
	for _, r := range text {
		space := r == ' ' || r >= '\t' && r <= '\r'
		if behind && !space {
			n = 0
		}
		behind = space
		n++
		longest = max(longest, n)
	}
	return longest
}

// Decodable replaces the sequences of bytes that the engine takes for characters beyond
// Unicode's last one, and then cannot write again, by what it replaces others by that
// are no characters.
func Decodable(text string) string {
	if strings.IndexFunc(text, func(r rune) bool { return r == utf8.RuneError }) < 0 {
		return text
	}
	beyond := func(i int) bool {
		if i+3 >= len(text) || text[i] < 0xF4 || text[i] > 0xF7 || text[i] == 0xF4 && text[i+1] < 0x90 {
			return false
		}
		return text[i+1]&0xC0 == 0x80 && text[i+2]&0xC0 == 0x80 && text[i+3]&0xC0 == 0x80
	}
	var b strings.Builder
	from := 0
	for i := 0; i < len(text); i++ {
		if beyond(i) {
			b.WriteString(text[from:i])
			b.WriteString("\uFFFD")
			i += 3
			from = i + 1
		}
	}
	if from == 0 {
		return text
	}
	b.WriteString(text[from:])
	return b.String()
}
