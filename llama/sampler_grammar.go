//go:build cgo

package llama

// #include "shim_more.h"
import "C"

import "unsafe"

// Grammar keeps tokens that continue a text of a GBNF grammar, which begins with the
// rule root, and lets a generation end only where such a text does:
// llama_sampler_init_grammar. What the engine would not survive is refused, see
// [CheckGrammar]; a text that can be read in more than 2048 ways at once, or nests
// deeper than 4096, is an error of [Sampler.Sample] and [Sampler.Accept].
func (x *Sampler) Grammar(grammar, root string) error {
	return x.grammar(grammar, root, false, nil, nil)
}

// LazyGrammar is Grammar from where the text has one of the words, with which the
// grammar's text begins, or from one of the tokens on; before, everything is allowed:
// llama_sampler_init_grammar_lazy_patterns, with words in place of patterns.
func (x *Sampler) LazyGrammar(grammar, root string, words []string, tokens []Token) error {
	if len(words)+len(tokens) == 0 {
		return argument("a lazy grammar with nothing that starts it")
	}
	return x.grammar(grammar, root, true, words, tokens)
}

func (x *Sampler) grammar(grammar, root string, lazy bool, words []string, tokens []Token) error {
	g, err := parseGrammar(grammar)
	if err == nil {
		err = g.check(root)
	}
	if err != nil {
		return err
	}
	text, err := cString(grammar)
	if err != nil {
		return err
	}
	defer C.free(unsafe.Pointer(text))
	croot, err := cString(root)
	if err != nil {
		return err
	}
	defer C.free(unsafe.Pointer(croot))
	cwords, free, err := cStrings("word to start a grammar", words)
	if err != nil {
		return err
	}
	defer free()
	return x.link("llama_sampler_init_grammar", func(s *samplerState, e *C.infer_error) C.bool {
		return C.infer_add_grammar(s.chain, text, croot, C.bool(lazy), cwords, C.size_t(len(words)),
			(*C.llama_token)(unsafe.Pointer(unsafe.SliceData(tokens))), C.size_t(len(tokens)), e)
	}, x.knows(tokens), x.tokensOf(g))
}

// knows refuses tokens outside the vocabulary.
func (x *Sampler) knows(tokens []Token) error {
	for _, t := range tokens {
		if t < 0 || int(t) >= x.s.vocab {
			return argument("token %d, the vocabulary has %d", t, x.s.vocab)
		}
	}
	return nil
}

// tokensOf refuses a grammar that names tokens which the vocabulary does not have: the
// engine would print what it thinks of that.
func (x *Sampler) tokensOf(g *grammar) error {
	if err := x.knows(g.tokens); err != nil || len(g.names) == 0 {
		return err
	}
	return x.locked(func(s *samplerState) error {
		for _, name := range g.names {
			var e C.infer_error
			var t [2]C.llama_token
			n := C.infer_tokenize(C.llama_model_get_vocab(s.model.model), (*C.char)(unsafe.Pointer(unsafe.StringData(name))), C.int32_t(len(name)), &t[0], 2, false, true, 0, &e)
			if e.kind != C.INFER_OK || n != 1 {
				return argument("grammar: %q is not one token", name)
			}
		}
		return nil
	})
}
