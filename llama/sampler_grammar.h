// Internal to the C++ files of this package: a sampler that follows a grammar.

#ifndef INFER_SAMPLER_GRAMMAR_H
#define INFER_SAMPLER_GRAMMAR_H

#include "grammar_machine.h"

#include <string>
#include <vector>

namespace infer {

// new_grammar returns a sampler that allows what a grammar does. A lazy one allows
// everything until one of the words has been generated, with which the grammar's text
// begins, or one of the tokens. The pieces have to outlive it.
llama_sampler * new_grammar(const llama_vocab * vocab, const infer_pieces * pieces, rules grammar, bool lazy,
        std::vector<std::string> words, std::vector<llama_token> tokens);

bool is_grammar(const llama_sampler * s);

// The steps that a grammar took for the last token; 0 for other samplers.
uint64_t grammar_work(const llama_sampler * s);

} // namespace infer

#endif
