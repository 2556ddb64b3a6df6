//go:build cgo

package llama_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/seed7adf6694/infer/internal/memtest"
	"github.com/seed7adf6694/infer/llama"
)

// expression is a random regular expression over a, b and c, which is a grammar too.
func expression(r *rand.Rand, depth int) string {
	if depth == 0 {
		return []string{`"a"`, `"b"`, `"c"`, `[ab]`, `[^a]`, `"ab"`}[r.IntN(6)]
	}
	switch r.IntN(5) {
	case 0:
		return "(" + expression(r, depth-1) + " | " + expression(r, depth-1) + ")"
	case 1, 2:
		return "(" + expression(r, depth-1) + ")" + []string{"*", "+", "?", "{0,2}", "{1,2}", "{2,}"}[r.IntN(6)]
	default:
		return "(" + expression(r, depth-1) + " " + expression(r, depth-1) + ")"
	}
}

// pattern is the expression in Go's words.
func pattern(e string) *regexp.Regexp {
	e = strings.NewReplacer(`"`, "", " ", "", "[^a]", "[bc]").Replace(e)
	// Go takes no repetition of a repetition without parentheses, and the expressions have them.
	return regexp.MustCompile("^(?:" + e + ")$")
}

func TestGrammarsAllowWhatRegularExpressionsDo(t *testing.T) {
	memtest.WithoutRace(t)
	m := load(t, tinyF16, llama.ModelParams{MMap: true})
	const eos, a, b, c = 2, 292, 293, 294
	tokens := []llama.Token{a, b, c}
	l := make([]float32, tinyVocab)
	r := rand.New(rand.NewPCG(1, 2))
	// All texts of up to eight letters.
	texts := []string{""}
	for from := 0; len(texts) < 9841; from++ {
		for _, x := range "abc" {
			texts = append(texts, texts[from]+string(x))
		}
	}
	for range 60 {
		e := expression(r, 3)
		re := pattern(e)
		begins := map[string]bool{} // whether a text can go on to one that matches
		for _, text := range texts {
			if re.MatchString(text) {
				for i := range len(text) + 1 {
					begins[text[:i]] = true
				}
			}
		}
		grammar := "root ::= " + e
		if err := llama.CheckGrammar(grammar, "root"); err != nil {
			t.Fatalf("%s: %v", grammar, err)
		}
		link := func(s *llama.Sampler) error { return s.AddGrammar(grammar, "root") }
		for range 8 { // short texts, whose continuations are all listed
			text, ids := "", []llama.Token(nil)
			for range r.IntN(4) {
				i := r.IntN(3)
				if next := text + string("abc"[i]); begins[next] {
					text, ids = next, append(ids, tokens[i])
				}
			}
			if !begins[text] {
				break // it takes more than eight letters to match
			}
			var want []llama.Token
			for i, id := range tokens {
				if begins[text+string("abc"[i])] {
					want = append(want, id)
				}
			}
			if re.MatchString(text) {
				want = append(want, eos)
			}
			got := kept(t, m, l, append(tokens[:3:3], eos), link, accepted(ids...))
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s behind %q: %v, want %v", grammar, text, got, want)
			}
		}
	}
}
