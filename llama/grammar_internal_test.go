//go:build cgo

package llama

import (
	"errors"
	"strings"
	"testing"
)

// These grammars take exponential work if each parse of a text is followed separately. The test
// counts steps of some nanoseconds, not time.
func TestAGrammarsWorkIsBounded(t *testing.T) {
	m, err := LoadModel(t.Context(), "../models/tiny/tiny-stories-f16.gguf", ModelParams{MMap: true})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	const a = Token(292)
	logits := make([]float32, 1536)
	for i := range logits {
		logits[i] = -1
	}
	logits[a] = 1
	for _, c := range []struct {
		name, grammar string
		most          uint64 // steps for a token; 0: it may be too much
	}{
		{"a letter at a time", `root ::= "a"*`, 20_000},
		{"any text", `root ::= .*`, 20_000},
		{"repetitions of repetitions", `root ::= ((("a"*)*)*)*`, 50_000},
		{"what may be empty, many times over", `root ::= (("a"?)* ("a"?)* ("a"?)* ("a"?)*)*`, 100_000},
		{"a choice of the same", "root ::= (x | x | x | x)*\nx ::= \"a\" | \"a\" | \"a\"", 50_000},
		{"many letters that may be missing", "root ::= " + strings.Repeat(`"a"? `, 60) + strings.Repeat(`"a" `, 60), 200_000},
		{"endings of which each is another", "root ::= (x)*\nx ::= \"a\" (x \"b\" | x \"c\" | \"d\")", 0},
		{"two ways at each letter", "root ::= \"a\" root \"x\" | \"a\" root \"y\" | \"z\"", 0},
		{"optional repetitions of repetitions", `root ::= ([a]{0,100} "b"?){0,100}`, 0},
	} {
		s, err := m.NewSampler()
		if err != nil {
			t.Fatal(err)
		}
		err = s.AddGrammar(c.grammar, "root")
		if err == nil {
			err = s.AddGreedy()
		}
		worst := uint64(0)
		for n := 0; n < 60 && err == nil; n++ {
			var token Token
			if token, err = s.Choose(logits); err == nil && token != a {
				t.Errorf("%s: chose %d", c.name, token)
				break
			}
			for range 2 { // the choice, and telling of it
				work, _ := s.grammarWork()
				worst = max(worst, work)
				if err == nil {
					err = s.Accept(a)
				}
			}
		}
		if c.most > 0 && (err != nil || worst > c.most) {
			t.Errorf("%s: %d steps for a token, want %d at most: %v", c.name, worst, c.most, err)
		}
		if c.most == 0 && !errors.Is(err, ErrTooMuch) {
			t.Errorf("%s: %d steps for a token: %v", c.name, worst, err)
		}
		if c.most == 0 && err != nil && !strings.Contains(err.Error(), `in rule "root"`) && !strings.Contains(err.Error(), `in rule "x"`) {
			t.Errorf("%s: the error names no rule: %v", c.name, err)
		}
		if worst > 1<<26 {
			t.Errorf("%s: %d steps for a token", c.name, worst)
		}
		t.Logf("%s: %d steps: %v", c.name, worst, err)
		s.Close()
	}
}
