// Adapters: LoRA and control vectors.

#include "buffers.h"
#include "shim_lora.h"

using infer::guarded;
using infer::scope_guard;

struct llama_adapter_lora * infer_adapter_load(struct llama_model * model, const char * path, infer_scope scope, infer_error * err) {
    return guarded(err, (llama_adapter_lora *) nullptr, [&] {
        scope_guard in(scope);
        return llama_adapter_lora_init(model, path);
    });
}

void infer_forget_graph(struct llama_context * ctx) {
    infer_error err;
    guarded(&err, false, [&] {
        infer::forget_graph(ctx);
        return true;
    });
}

bool infer_adapters_set(struct llama_context * ctx, struct llama_adapter_lora ** adapters, float * scales, size_t n, infer_error * err) {
    return guarded(err, false, [&] {
        infer::forget_graph(ctx);
        return infer::set_adapters(ctx, adapters, scales, n);
    });
}

bool infer_adapter_cvec(struct llama_context * ctx, const float * data, size_t len, int32_t n_embd, int32_t first, int32_t last,
        infer_scope scope, infer_error * err) {
    return guarded(err, false, [&] {
        scope_guard in(scope);
        infer::forget_graph(ctx);
        return infer::apply_cvec(ctx, data, len, n_embd, first, last) == 0;
    });
}
