// Guarded calls for text, sampling, adapters and files: see shim.h.

#ifndef INFER_SHIM_MORE_H
#define INFER_SHIM_MORE_H

#include "shim.h"

#ifdef __cplusplus
extern "C" {
#endif

// Text. With stack != 0 the tokenizer runs on a thread with a stack of that many
// bytes: some recurse as deep as a word is long.
int32_t infer_tokenize(const struct llama_vocab * vocab, const char * text, int32_t text_len, llama_token * tokens, int32_t n_max,
        bool add_special, bool parse_special, size_t stack, infer_error * err);
int32_t infer_piece(const struct llama_vocab * vocab, llama_token token, char * buf, int32_t length, bool special, infer_error * err);
// The size of a buffer for infer_detokenize, SIZE_MAX on failure.
size_t  infer_detokenize_room(const struct llama_vocab * vocab, const llama_token * tokens, size_t n, bool unparse_special, infer_error * err);
int32_t infer_detokenize(const struct llama_vocab * vocab, const llama_token * tokens, int32_t n, char * text, int32_t length,
        bool remove_special, bool unparse_special, infer_error * err);
int32_t infer_chat(const char * tmpl, const struct llama_chat_message * chat, size_t n, bool add_assistant, char * buf, int32_t length, infer_error * err);

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

// Adapters.
struct llama_adapter_lora * infer_adapter_load(struct llama_model * model, const char * path, infer_scope scope, infer_error * err);
bool infer_adapter_set(struct llama_context * ctx, struct llama_adapter_lora * adapter, float scale, infer_error * err);
bool infer_adapter_cvec(struct llama_context * ctx, const float * data, size_t len, int32_t n_embd, int32_t first, int32_t last,
        infer_scope scope, infer_error * err);
// Makes the context build its next graph anew: after adapters have been removed, and
// before they are freed. The two functions above do so themselves.
void infer_forget_graph(struct llama_context * ctx);

// Quantises a file. progress (a Go handle, or 0) is told about every tensor; *stop != 0
// ends it before the next one.
bool infer_quantize(const char * in, const char * out, const llama_model_quantize_params * params, uintptr_t progress, infer_error * err);
size_t infer_quantize_rows(enum ggml_type type, const float * src, void * dst, int64_t rows, int64_t row, infer_error * err);

// Which weights of a model are streamed, and where each is while its layer is in memory.
// Not to be changed while a context computes.
typedef struct infer_streams infer_streams;

infer_streams * infer_streams_new(void);
void            infer_streams_free(infer_streams * s);
bool            infer_streams_any(const infer_streams * s); // tensors that are streamed
// Weight i belongs to a layer and to a slot from now on, to none with nullptr.
bool            infer_streams_set(infer_streams * s, const infer_weights * w, size_t i, int layer, void * slot, infer_error * err);

// What a context tells Go of layers (a handle): the user data of the eval callback.
typedef struct infer_layers infer_layers;

infer_layers * infer_layers_new(uintptr_t layers, infer_streams * streams);
void           infer_layers_free(infer_layers * l);
void           infer_layers_begin(infer_layers * l); // before each pass
bool           infer_eval(struct ggml_tensor * tensor, bool ask, void * user_data);

// A piece of a mapped file whose lost pages are replaced by zeros, and counted. Not where
// another mapping may be put before infer_mapped_free.
typedef struct infer_mapped infer_mapped;

infer_mapped * infer_mapped_new(void * p, size_t size);
size_t         infer_mapped_lost(const infer_mapped * m); // bytes
void           infer_mapped_free(infer_mapped * m);

// Whether n threads can be had at once.
bool infer_threads_available(int n);
// Whether this package, and so the engine, was compiled with optimisation.
bool infer_optimized(void);
// The number of buffer types that repack weights.
size_t infer_repack_types(void);

#ifdef __cplusplus
}
#endif

#endif
