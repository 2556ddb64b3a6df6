// Contexts: creation, evaluation, state and results. See shim.h.

#ifndef INFER_SHIM_CONTEXT_H
#define INFER_SHIM_CONTEXT_H

#include "shim.h"

#ifdef __cplusplus
extern "C" {
#endif

struct llama_context * infer_context_new(struct llama_model * model, struct llama_context_params params, infer_scope scope, infer_error * err);
void    infer_context_free(struct llama_context * ctx);
int32_t infer_decode(struct llama_context * ctx, struct llama_batch batch, infer_scope scope, infer_error * err);
int32_t infer_encode(struct llama_context * ctx, struct llama_batch batch, infer_scope scope, infer_error * err);

// Executes pending copies and shifts of the context's memory. The engine logs failures of it.
void   infer_memory_settle(struct llama_context * ctx, infer_scope scope, infer_error * err);
size_t infer_state_size(struct llama_context * ctx, llama_seq_id seq, infer_error * err); // seq < 0: all sequences
size_t infer_state_get(struct llama_context * ctx, llama_seq_id seq, uint8_t * dst, size_t size, infer_error * err);
size_t infer_state_set(struct llama_context * ctx, llama_seq_id seq, const uint8_t * src, size_t size, infer_scope scope, infer_error * err);

// Results of the last batch, NULL if it has none for i or seq.
float * infer_logits(struct llama_context * ctx, int32_t i, infer_error * err);
float * infer_embedding(struct llama_context * ctx, int32_t i, infer_error * err);
float * infer_embedding_seq(struct llama_context * ctx, llama_seq_id seq, infer_error * err);

#ifdef __cplusplus
}
#endif

#endif
