// Guarded calls for chains of samplers, and grammars. See shim.h.

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
// prompt: the token was not generated, so that grammars are not told.
bool            infer_sampler_accept(infer_sampler * s, llama_token token, bool prompt, infer_error * err);
// Both choose a token, LLAMA_TOKEN_NULL (-1) on failure; the first tells the chain.
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

// The texts of a vocabulary's tokens, for grammars: some bytes a token.
typedef struct infer_pieces infer_pieces;

infer_pieces * infer_pieces_new(const struct llama_vocab * vocab, infer_error * err);
void           infer_pieces_free(infer_pieces * p);

// What the alternatives of a grammar's rules are made of.
enum infer_grammar_kind {
    INFER_GRAMMAR_END = 0,   // of an alternative
    INFER_GRAMMAR_RULE,      // another rule, by its number
    INFER_GRAMMAR_CHAR,      // a character, or the first of a set
    INFER_GRAMMAR_NOT,       // the first of a set of those that it is not
    INFER_GRAMMAR_UPPER,     // makes the one before a range up to this
    INFER_GRAMMAR_OR,        // one more of a set
    INFER_GRAMMAR_ANY,       // any character
    INFER_GRAMMAR_TOKEN,     // a token
    INFER_GRAMMAR_TOKEN_NOT, // any but a token
};

typedef struct infer_grammar_element {
    uint32_t kind;
    uint32_t value;
} infer_grammar_element;

// A grammar, which is copied: rule i is from starts[i] to starts[i+1]. With words or tokens it is lazy: it begins where one of them
// occurs. The pieces must outlive the chain.
bool infer_add_grammar(infer_sampler * s, const infer_pieces * pieces, const infer_grammar_element * elements, const uint32_t * starts, size_t n_rules, uint32_t root,
        bool lazy, const char ** words, size_t n_words, const llama_token * tokens, size_t n_tokens, infer_error * err);
// The steps that the chain's grammars took for the last token.
uint64_t infer_sampler_work(const infer_sampler * s);

#ifdef __cplusplus
}
#endif

#endif
