// Adapters: LoRA and control vectors.

#include "guard.h"
#include "shim_more.h"

using infer::guarded;
using infer::scope_guard;

extern "C" struct llama_adapter_lora * infer_adapter_load(struct llama_model * model, const char * path, infer_scope scope, infer_error * err) {
    return guarded(err, (llama_adapter_lora *) nullptr, [&] {
        scope_guard in(scope);
        return llama_adapter_lora_init(model, path);
    });
}

extern "C" bool infer_adapter_set(struct llama_context * ctx, struct llama_adapter_lora * adapter, float scale, infer_error * err) {
    return guarded(err, false, [&] { return llama_set_adapter_lora(ctx, adapter, scale) == 0; });
}

extern "C" bool infer_adapter_cvec(struct llama_context * ctx, const float * data, size_t len, int32_t n_embd, int32_t first, int32_t last,
        infer_scope scope, infer_error * err) {
    return guarded(err, false, [&] {
        scope_guard in(scope);
        return llama_apply_adapter_cvec(ctx, data, len, n_embd, first, last) == 0;
    });
}
