package models

import "fmt"

// Token types of GGUF vocabularies.
const (
	tokenNormal  = 1
	tokenUnknown = 2
	tokenControl = 3
	tokenByte    = 6
)

// A vocabulary of a synthetic model, in the style of SentencePiece.
type vocabulary struct {
	pieces []string
	scores []float32
	types  []int32
}

// Token ids of a vocabulary.
const (
	tokenUNK = 0
	tokenBOS = 1
	tokenEOS = 2
)

// newVocabulary returns a vocabulary of n tokens, 259 to 2^20: special tokens, bytes, the space and the
// printable ASCII characters, then made-up syllables and words. It can represent any text. Every
// longer piece is composed of two shorter ones, as the tokeniser requires.
func newVocabulary(n int) vocabulary {
	v := vocabulary{make([]string, 0, n), make([]float32, 0, n), make([]int32, 0, n)}
	add := func(piece string, kind int32) bool {
		if len(v.pieces) == n {
			return false
		}
		score := float32(0)
		if kind == tokenNormal {
			// Higher scores: earlier pieces are merged first.
			score = -float32(len(v.pieces))
		}
		v.pieces = append(v.pieces, piece)
		v.scores = append(v.scores, score)
		v.types = append(v.types, kind)
		return true
	}
	add("<unk>", tokenUnknown)
	add("<s>", tokenControl)
	add("</s>", tokenControl)
	for b := range 256 {
		add(fmt.Sprintf("<0x%02X>", b), tokenByte)
	}
	add(spacePiece, tokenNormal)
	for c := '!'; c <= '~'; c++ {
		add(string(c), tokenNormal)
	}
	// Words of one syllable, inside and at the beginning of a word, then of two, then of three:
	// enough for maxVocab.
	words := []string{""}
	for {
		var longer []string
		for _, start := range []string{"", spacePiece} {
			for _, word := range words {
				for _, consonant := range "tnsrdlmkbpgfvhwjczxq" {
					for _, vowel := range "aeiou" {
						piece := word + string(consonant) + string(vowel)
						if !add(start+piece, tokenNormal) {
							return v
						}
						if start == "" {
							longer = append(longer, piece)
						}
					}
				}
			}
		}
		words = longer
	}
}

// spacePiece represents a space in pieces.
const spacePiece = "\u2581"
