// A sampler that allows only texts of a grammar. Internal to the C++ files of this package.

#ifndef INFER_SAMPLER_GRAMMAR_H
#define INFER_SAMPLER_GRAMMAR_H

#include "grammar_machine.h"

#include <string>
#include <vector>

namespace infer {

// new_grammar returns a sampler for a grammar. A lazy one allows all tokens until one of the words
// or tokens has been generated; the grammar's text begins with it. The pieces must outlive the
// sampler.
llama_sampler * new_grammar(const llama_vocab * vocab, const infer_pieces * pieces, rules grammar, bool lazy,
        std::vector<std::string> words, std::vector<llama_token> tokens);

bool is_grammar(const llama_sampler * s);

// grammar_refuses reports whether a token has one of the words that start a lazy grammar, and goes on
// behind it as the grammar does not allow.
bool grammar_refuses(const llama_sampler * s, llama_token token);

// grammar_work returns the number of steps that a grammar needed for the last token, 0 for other
// samplers.
uint64_t grammar_work(const llama_sampler * s);

} // namespace infer

#endif
