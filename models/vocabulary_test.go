package models

import (
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
)

func TestVocabularyCanWriteAnyText(t *testing.T) {
	memtest.WithoutRace(t)
	for _, n := range []int{minVocab, 300, 355, 1000, 32000, maxVocab} {
		v := newVocabulary(n)
		if len(v.pieces) != n || len(v.scores) != n || len(v.types) != n {
			t.Fatalf("%d tokens: got %d pieces, %d scores, %d types", n, len(v.pieces), len(v.scores), len(v.types))
		}
		ids := make(map[string]int, n)
		for id, piece := range v.pieces {
			if other, ok := ids[piece]; ok {
				t.Fatalf("%d tokens: %q is both %d and %d", n, piece, other, id)
			}
			ids[piece] = id
		}
		if ids["<unk>"] != tokenUNK || ids["<s>"] != tokenBOS || ids["</s>"] != tokenEOS || ids["<0x00>"] != 3 || ids["<0xFF>"] != 258 {
			t.Errorf("%d tokens: the first tokens are %q", n, v.pieces[:5])
		}
		for id, piece := range v.pieces[minVocab:] {
			if v.types[minVocab+id] != tokenNormal {
				t.Fatalf("%q is of type %d", piece, v.types[minVocab+id])
			}
			if !reachable(ids, piece) {
				t.Fatalf("%d tokens: %q is not made of two other pieces", n, piece)
			}
		}
		if n >= 355 {
			for c := ' '; c <= '~'; c++ {
				if piece := strings.ReplaceAll(string(c), " ", spacePiece); ids[piece] == 0 {
					t.Errorf("%d tokens: no token for %q", n, c)
				}
			}
		}
	}
}

// reachable tells whether a piece is one character or two pieces side by side.
func reachable(ids map[string]int, piece string) bool {
	runes := []rune(piece)
	for i := 1; i < len(runes); i++ {
		if ids[string(runes[:i])] != 0 && ids[string(runes[i:])] != 0 {
			return true
		}
	}
	return len(runes) == 1
}
