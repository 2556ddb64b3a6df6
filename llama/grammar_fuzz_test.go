//go:build cgo

package llama_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/seed7adf6694/infer/llama"
)

// vocabulary is loaded once for all inputs of a fuzz test.
var vocabulary = sync.OnceValues(func() (*llama.Model, error) {
	return llama.LoadModel(context.Background(), tinyF16, llama.ModelParams{VocabOnly: true})
})

// FuzzGrammar looks for grammars that crash the engine: each text must be refused, or generate,
// or end in an error.
func FuzzGrammar(f *testing.F) {
	for _, text := range []string{
		`root ::= "yes" | "no"`,
		"root ::= a* b+ c? | [^x-z\\n] {2,3}\na ::= \"x\"\nb ::= . | <[5]>\nc ::= !<[6]> a",
		"root ::= (\"a\" | (b))\nb ::= [α-ω] \"\\u00e9\\U0001F600\\x41\\\"\\\\\" # comment\n",
		"root ::= root \"a\" | \"b\"",
		"root ::= e root\ne ::= \"\" | \"x\"",
		"root ::= ((\"a\"?)*)+ {0,5}",
		"root ::= [",
		"root ::= \"a\"{2000}{2000}",
		"root ::= <think> .* </s>",
		"ws ::= | \" \" | \"\\n\" [ \\t]{0,20}\nroot ::= ws ws ws",
		"root ::= \"\xff\"",
		"root::=a\r\na::=\"b\"\r",
		"root ::= [a-] [-a] [\\]] [^]",
		"root ::= (\n(\n\"a\"\n)\n)",
		"root ::= \"(\" root \")\" | \"x\"",
	} {
		f.Add(text, uint8(0))
		f.Add(text, uint8(255))
	}
	f.Fuzz(func(t *testing.T, text string, choice uint8) {
		if len(text) > 4<<10 {
			t.Skip("longer than any finding is")
		}
		m, err := vocabulary()
		if err != nil {
			t.Fatal(err)
		}
		s, err := m.NewSampler()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		fine := func(err error) bool {
			var e *llama.Error
			if err != nil && (!errors.As(err, &e) || errors.Is(err, llama.ErrBroken)) {
				t.Fatal(err)
			}
			return err == nil
		}
		refused := llama.CheckGrammar(text, "root")
		if refused != nil && !errors.Is(refused, llama.ErrArgument) {
			t.Fatal(refused)
		}
		if err := s.AddGrammar(text, "root"); errors.Is(err, llama.ErrArgument) {
			return // also for tokens that the vocabulary does not have
		} else if refused != nil {
			t.Fatalf("%v, the sampler: %v", refused, err)
		} else if !fine(err) {
			return
		}
		if err := s.AddGreedy(); err != nil {
			t.Fatal(err)
		}
		l := make([]float32, tinyVocab)
		for i := range l {
			l[i] = float32((i * (2*int(choice) + 1)) % 251)
		}
		for range 6 {
			token, err := s.Choose(l)
			if !fine(err) {
				return
			}
			if !fine(s.Accept(token)) {
				return
			}
		}
		fine(s.Reset())
	})
}
