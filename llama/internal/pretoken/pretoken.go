// Package pretoken bounds the stack that the engine's pre-tokenizer (splitting of texts into words)
// may take.
package pretoken

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// With most byte-pair vocabularies texts are split into words by regular expressions before they
// are tokenized. The engine uses std::regex, whose matcher recurses for every character of a match
// and takes about 320 bytes of stack for each (with -O2). A match never extends beyond a word and
// the space after it.
const (
	maxWordDirect = 256     // characters for which any thread's stack suffices
	maxWord       = 1 << 17 // longest word, in characters, for which a stack is reserved
	stackOfChar   = 1 << 10 // bytes
	stackBase     = 1 << 20 // bytes
)

// regexFree are the values of tokenizer.ggml.pre for which the engine uses no std::regex, or only
// expressions that match one character.
var regexFree = map[string]bool{
	"llama3": true, "llama-v3": true, "llama-bpe": true, "falcon3": true, "falcon-h1": true, "pixtral": true, "midm-2.0": true, "lfm2": true,
	"dbrx": true, "smaug-bpe": true, "glm4": true, "chatglm-bpe": true, "kimi-k2": true,
	"gpt-2": true, "phi-2": true, "jina-es": true, "jina-de": true, "gigachat": true, "jina-v2-es": true, "jina-v2-de": true, "a.x-4.0": true, "mellum": true,
	"jina-v1-en": true, "jina-v2-code": true, "roberta-bpe": true, "exaone4": true, "mpt": true, "olmo": true, "jais": true, "trillion": true, "granite-docling": true,
	"starcoder": true, "refact": true, "command-r": true, "smollm": true, "codeshell": true, "exaone": true, "minerva-7b": true,
}

// Recurses reports whether splitting with a vocabulary is recursive. pre is its tokenizer.ggml.pre.
func Recurses(pre string) bool { return !regexFree[pre] }

// Stack returns the size, in bytes, of the stack that splitting a text may need; 0 if any stack
// suffices.
func Stack(text string) (int, error) {
	n := longestWord(text)
	switch {
	case n <= maxWordDirect:
		return 0, nil
	case n > maxWord:
		return 0, fmt.Errorf("a word of %d characters is too long for this vocabulary (at most %d without a space)", n, maxWord)
	}
	return stackBase + n*stackOfChar, nil
}

// longestWord returns the length, in characters, of the longest word with the space after it.
// Invalid bytes count as one character each.
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

// Decodable replaces byte sequences that the engine would decode to code points above U+10FFFF, and
// could not encode again, by the replacement that the engine uses for other invalid bytes.
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
