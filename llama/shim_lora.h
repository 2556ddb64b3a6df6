// Adapters. See shim.h.

#ifndef INFER_SHIM_LORA_H
#define INFER_SHIM_LORA_H

#include "shim.h"

#ifdef __cplusplus
extern "C" {
#endif

struct llama_adapter_lora * infer_adapter_load(struct llama_model * model, const char * path, infer_scope scope, infer_error * err);
bool infer_adapter_set(struct llama_context * ctx, struct llama_adapter_lora * adapter, float scale, infer_error * err);
bool infer_adapter_cvec(struct llama_context * ctx, const float * data, size_t len, int32_t n_embd, int32_t first, int32_t last,
        infer_scope scope, infer_error * err);
// Discards the context's graph, so that the next evaluation builds a new one. Must be called after
// adapters have been removed and before they are freed. infer_adapter_set and infer_adapter_cvec
// call it.
void infer_forget_graph(struct llama_context * ctx);

#ifdef __cplusplus
}
#endif

#endif
