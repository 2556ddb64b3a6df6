// Contexts: creation, evaluation, state and results. See shim.h.

#ifndef INFER_SHIM_CONTEXT_H
#define INFER_SHIM_CONTEXT_H

#include "shim_layers.h"

#ifdef __cplusplus
extern "C" {
#endif

// Parameters of a context. The fields have the meaning of those of llama_context_params.
typedef struct infer_context_params {
    uint32_t                     n_ctx;
    uint32_t                     n_batch;
    uint32_t                     n_ubatch;
    uint32_t                     n_seq_max;
    int32_t                      n_threads;
    int32_t                      n_threads_batch;
    enum llama_rope_scaling_type rope_scaling_type;
    enum llama_pooling_type      pooling_type;
    enum llama_attention_type    attention_type;
    enum llama_flash_attn_type   flash_attn_type;
    float                        rope_freq_base;
    float                        rope_freq_scale;
    float                        yarn_ext_factor;
    float                        yarn_attn_factor;
    float                        yarn_beta_fast;
    float                        yarn_beta_slow;
    uint32_t                     yarn_orig_ctx;
    enum ggml_type               type_k;
    enum ggml_type               type_v;
    bool                         embeddings;
    bool                         offload_kqv;
    bool                         swa_full;
    bool                         kv_unified;
    infer_layers *               layers; // told of the layers that are computed; may be NULL
    int *                        abort;  // a value other than 0 stops the computation; may be NULL
} infer_context_params;

// The engine's defaults of the sizes and of YaRN; the other fields are 0.
infer_context_params   infer_context_defaults(void);
struct llama_context * infer_context_new(struct llama_model * model, infer_context_params params, infer_scope scope, infer_error * err);
void    infer_context_free(struct llama_context * ctx);
int32_t infer_decode(struct llama_context * ctx, struct llama_batch batch, infer_scope scope, infer_error * err);
int32_t infer_encode(struct llama_context * ctx, struct llama_batch batch, infer_scope scope, infer_error * err);

// Executes pending copies and shifts of the context's memory. The engine logs failures of it.
void   infer_memory_settle(struct llama_context * ctx, infer_scope scope, infer_error * err);
// seq < 0: all sequences. flags: of one sequence, 0 or LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY.
size_t infer_state_size(struct llama_context * ctx, llama_seq_id seq, uint32_t flags, infer_error * err);
size_t infer_state_get(struct llama_context * ctx, llama_seq_id seq, uint32_t flags, uint8_t * dst, size_t size, infer_error * err);
size_t infer_state_set(struct llama_context * ctx, llama_seq_id seq, uint32_t flags, const uint8_t * src, size_t size, infer_scope scope, infer_error * err);
size_t infer_state_save(struct llama_context * ctx, llama_seq_id seq, const char * path, const llama_token * tokens, size_t n, infer_error * err);
size_t infer_state_load(struct llama_context * ctx, llama_seq_id seq, const char * path, llama_token * tokens, size_t most, size_t * n, infer_scope scope, infer_error * err);

// Results of the last batch, NULL if it has none for i or seq.
float * infer_logits(struct llama_context * ctx, int32_t i, infer_error * err);
float * infer_embedding(struct llama_context * ctx, int32_t i, infer_error * err);
float * infer_embedding_seq(struct llama_context * ctx, llama_seq_id seq, infer_error * err);

#ifdef __cplusplus
}
#endif

#endif
