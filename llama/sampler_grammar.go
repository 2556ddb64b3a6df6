//go:build cgo

package llama

// #include "engine_table.h"
import "C"

import (
	"strings"
	"unsafe"

	"github.com/seed7adf6694/infer/llama/internal/gbnf"
)

// AddGrammar keeps only tokens that continue a text of a GBNF grammar with the start rule root, and
// allows the end of the generation only where such a text may end: llama_sampler_init_grammar. The
// syntax is llama.cpp's. The matcher is this package's own; it also accepts repetitions of rules
// that may be empty. [CheckGrammar] says which grammars are refused. AddGrammar, [Sampler.Sample]
// and [Sampler.Accept] return [ErrTooMuch] for a text that has more than 2048 parses at once, nests
// deeper than 4096, or takes more than 2^25 steps for a token; the error names the rule. A model with grammars takes about 15
// bytes for each token of its vocabulary.
func (x *Sampler) AddGrammar(grammar, root string) error {
	return x.grammar(grammar, root, false, nil, nil)
}

// AddLazyGrammar is Grammar from where the text has one of the words, with which the
// grammar's text begins, or from one of the tokens on; before, everything is allowed:
// llama_sampler_init_grammar_lazy_patterns, with words in place of patterns.
func (x *Sampler) AddLazyGrammar(grammar, root string, words []string, tokens []Token) error {
	if len(words)+len(tokens) == 0 {
		return argument("a lazy grammar needs at least one word or token that starts it")
	}
	return x.grammar(grammar, root, true, words, tokens)
}

func (x *Sampler) grammar(grammar, root string, lazy bool, words []string, tokens []Token) error {
	g, err := parseGrammar(grammar, root)
	if err != nil {
		return err
	}
	cwords, free, err := cTexts("word to start a grammar", words)
	if err != nil {
		return err
	}
	defer free()
	if err := x.knows(tokens); err != nil {
		return err
	}
	named, err := x.tokensOf(g)
	if err != nil {
		return err
	}
	elements, starts := g.Flat(named)
	names, freeNames, err := cStrings([]string{strings.Join(g.Names(), "\n")})
	if err != nil {
		return err
	}
	defer freeNames()
	return x.link("llama_sampler_init_grammar", func(s *samplerState, e *C.infer_error) C.bool {
		pieces := s.model.tokenPieces(e)
		if pieces == nil {
			return false
		}
		return C.infer_add_grammar(s.chain, pieces, (*C.infer_grammar_element)(unsafe.Pointer(unsafe.SliceData(elements))),
			(*C.uint32_t)(unsafe.Pointer(unsafe.SliceData(starts))), C.size_t(g.Rules()), *names, C.uint32_t(g.ID(root)), C.bool(lazy), cwords, C.size_t(len(words)),
			(*C.llama_token)(unsafe.Pointer(unsafe.SliceData(tokens))), C.size_t(len(tokens)), e)
	})
}

// tokenPieces returns the texts of the model's tokens, which are collected for its first grammar;
// nil if e has an error.
func (s *modelState) tokenPieces(e *C.infer_error) *C.infer_pieces {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pieces == nil {
		s.pieces = C.infer_pieces_new(C.infer_llama_model_get_vocab(s.model), e)
	}
	return s.pieces
}

// grammarWork is the number of steps that the chain's grammars took for the last token.
func (x *Sampler) grammarWork() (n uint64, err error) {
	err = x.locked(func(s *samplerState) error {
		n = uint64(C.infer_sampler_work(s.chain))
		return nil
	})
	return n, err
}

// knows returns an error for tokens outside the vocabulary.
func (x *Sampler) knows(tokens []Token) error {
	for _, t := range tokens {
		if t < 0 || int(t) >= x.s.vocab {
			return noToken(t, x.s.vocab)
		}
	}
	return nil
}

// tokensOf returns the tokens that a grammar names, and refuses those that the vocabulary
// does not have.
func (x *Sampler) tokensOf(g *gbnf.Grammar) (named []int32, err error) {
	for _, t := range g.Tokens {
		if err := x.knows([]Token{Token(t)}); err != nil {
			return nil, err
		}
	}
	if len(g.Named) == 0 {
		return nil, nil
	}
	err = x.locked(func(s *samplerState) error {
		for _, name := range g.Named {
			var e C.infer_error
			var t [2]C.llama_token
			n := C.infer_tokenize(C.infer_llama_model_get_vocab(s.model.model), (*C.char)(unsafe.Pointer(unsafe.StringData(name))), C.int32_t(len(name)), &t[0], 2, false, true, 0, &e)
			if e.kind != C.INFER_OK || n != 1 {
				return argument("grammar: %q is not a single token of the vocabulary", name)
			}
			named = append(named, int32(t[0]))
		}
		return nil
	})
	return named, err
}
