// Adapters. See shim.h.

#ifndef INFER_SHIM_LORA_H
#define INFER_SHIM_LORA_H

#include "shim.h"

#ifdef __cplusplus
extern "C" {
#endif

struct llama_adapter_lora * infer_adapter_load(struct llama_model * model, const char * path, infer_scope scope, infer_error * err);
// Discards the context's graph, so that the next evaluation builds a new one. infer_adapters_set and
// infer_adapter_cvec do that, too.
void infer_forget_graph(struct llama_context * ctx);
// Sets the adapters of a context and their scales; those that were set before are removed.
bool infer_adapters_set(struct llama_context * ctx, struct llama_adapter_lora ** adapters, float * scales, size_t n, infer_error * err);
bool infer_adapter_cvec(struct llama_context * ctx, const float * data, size_t len, int32_t n_embd, int32_t first, int32_t last,
        infer_scope scope, infer_error * err);

#ifdef __cplusplus
}
#endif

#endif
