// Guarded calls for text, sampling, adapters and files: see shim.h.

#ifndef INFER_SHIM_MORE_H
#define INFER_SHIM_MORE_H

#include "shim.h"

#ifdef __cplusplus
extern "C" {
#endif

int32_t infer_tokenize(const struct llama_vocab * vocab, const char * text, int32_t text_len, llama_token * tokens, int32_t n_max,
        bool add_special, bool parse_special, infer_error * err);
int32_t infer_piece(const struct llama_vocab * vocab, llama_token token, char * buf, int32_t length, bool special, infer_error * err);
int32_t infer_detokenize(const struct llama_vocab * vocab, const llama_token * tokens, int32_t n, char * text, int32_t length,
        bool remove_special, bool unparse_special, infer_error * err);
int32_t infer_chat(const char * tmpl, const struct llama_chat_message * chat, size_t n, bool add_assistant, char * buf, int32_t length, infer_error * err);

struct llama_sampler * infer_sampler_grammar(const struct llama_vocab * vocab, const char * grammar, const char * root, infer_error * err);
struct llama_sampler * infer_sampler_dry(const struct llama_vocab * vocab, int32_t n_ctx_train, float multiplier, float base,
        int32_t allowed_length, int32_t last_n, const char ** breakers, size_t n_breakers, infer_error * err);
// Samples and accepts; LLAMA_TOKEN_NULL (-1) on failure.
llama_token infer_sample(struct llama_sampler * chain, struct llama_context * ctx, int32_t i, infer_error * err);
bool infer_sampler_accept(struct llama_sampler * sampler, llama_token token, infer_error * err);
bool infer_sampler_reset(struct llama_sampler * sampler, infer_error * err);
struct llama_sampler * infer_sampler_clone(const struct llama_sampler * sampler, infer_error * err);

struct llama_adapter_lora * infer_adapter_load(struct llama_model * model, const char * path, infer_scope scope, infer_error * err);

// Quantises a file. progress (a Go handle) is told about every tensor; *stop != 0
// ends it before the next one.
bool infer_quantize(const char * in, const char * out, const llama_model_quantize_params * params, uintptr_t progress, void * stop, infer_error * err);

size_t infer_quantize_rows(enum ggml_type type, const float * src, void * dst, int64_t rows, int64_t row, infer_error * err);

// Whether this package, and so the engine, was compiled with optimisation.
bool infer_optimized(void);
// The number of buffer types that repack weights.
size_t infer_repack_types(void);

#ifdef __cplusplus
}
#endif

#endif
