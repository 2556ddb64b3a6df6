// Sampler chains and grammars. See shim.h.

#ifndef INFER_SHIM_SAMPLER_H
#define INFER_SHIM_SAMPLER_H

#include "shim.h"

#ifdef __cplusplus
extern "C" {
#endif

// A chain of samplers. vocab must outlive it.
typedef struct infer_sampler infer_sampler;

infer_sampler * infer_sampler_new(const struct llama_vocab * vocab, infer_error * err);
infer_sampler * infer_sampler_clone(const infer_sampler * s, infer_error * err);
void            infer_sampler_free(infer_sampler * s);
int             infer_sampler_count(const infer_sampler * s);
const char *    infer_sampler_name(const infer_sampler * s, int i);
uint32_t        infer_sampler_seed(const infer_sampler * s);
bool            infer_sampler_reset(infer_sampler * s, infer_error * err);
// prompt: the token is part of the prompt, and grammars ignore it.
bool            infer_sampler_accept(infer_sampler * s, llama_token token, bool prompt, infer_error * err);
// Both choose a token and return LLAMA_TOKEN_NULL (-1) on failure. infer_sampler_sample also
// accepts the token.
llama_token     infer_sampler_sample(infer_sampler * s, struct llama_context * ctx, int32_t i, infer_error * err);
llama_token     infer_sampler_choose(infer_sampler * s, const float * logits, int32_t n, infer_error * err);

bool infer_add_greedy(infer_sampler * s, infer_error * err);
bool infer_add_dist(infer_sampler * s, uint32_t seed, infer_error * err);
bool infer_add_top_k(infer_sampler * s, int32_t k, infer_error * err);
bool infer_add_top_p(infer_sampler * s, float p, size_t keep, infer_error * err);
bool infer_add_min_p(infer_sampler * s, float p, size_t keep, infer_error * err);
bool infer_add_typical(infer_sampler * s, float p, size_t keep, infer_error * err);
bool infer_add_temp(infer_sampler * s, float t, infer_error * err);
bool infer_add_temp_ext(infer_sampler * s, float t, float delta, float exponent, infer_error * err);
bool infer_add_xtc(infer_sampler * s, float p, float t, size_t keep, uint32_t seed, infer_error * err);
bool infer_add_top_n_sigma(infer_sampler * s, float n, infer_error * err);
bool infer_add_mirostat(infer_sampler * s, uint32_t seed, float tau, float eta, int32_t m, infer_error * err);
bool infer_add_mirostat_v2(infer_sampler * s, uint32_t seed, float tau, float eta, infer_error * err);
bool infer_add_penalties(infer_sampler * s, int32_t last_n, float repeat, float frequency, float presence, infer_error * err);
bool infer_add_dry(infer_sampler * s, int32_t n_ctx, float multiplier, float base, int32_t allowed_length, int32_t last_n,
        const char ** breakers, size_t n_breakers, infer_error * err);
bool infer_add_logit_bias(infer_sampler * s, int32_t n, const llama_logit_bias * bias, infer_error * err);
bool infer_add_infill(infer_sampler * s, infer_error * err);

// The texts of a vocabulary's tokens, sorted, for grammars.
typedef struct infer_pieces infer_pieces;

infer_pieces * infer_pieces_new(const struct llama_vocab * vocab, infer_error * err);
void           infer_pieces_free(infer_pieces * p);

// Elements of the alternatives of a grammar's rules.
enum infer_grammar_kind {
    INFER_GRAMMAR_END = 0,   // end of an alternative
    INFER_GRAMMAR_RULE,      // reference to the rule with number value
    INFER_GRAMMAR_CHAR,      // character value, or the first member of a set
    INFER_GRAMMAR_NOT,       // first member of a negated set
    INFER_GRAMMAR_UPPER,     // upper bound of the range that the element before begins
    INFER_GRAMMAR_OR,        // a further member of a set
    INFER_GRAMMAR_ANY,       // any character
    INFER_GRAMMAR_TOKEN,     // token value
    INFER_GRAMMAR_TOKEN_NOT, // any token but value
};

typedef struct infer_grammar_element {
    uint32_t kind;
    uint32_t value;
} infer_grammar_element;

// Adds a grammar. Elements, words and tokens are copied; the pieces must outlive the chain. Rule i
// has the elements from starts[i] up to starts[i+1], and line i of names, which is for errors. A lazy grammar applies from the first of the
// words or tokens that is generated.
bool infer_add_grammar(infer_sampler * s, const infer_pieces * pieces, const infer_grammar_element * elements, const uint32_t * starts, size_t n_rules, const char * names, uint32_t root,
        bool lazy, const char ** words, size_t n_words, const llama_token * tokens, size_t n_tokens, infer_error * err);
// The number of steps that the chain's grammars needed for the last token.
uint64_t infer_sampler_work(const infer_sampler * s);

#ifdef __cplusplus
}
#endif

#endif
