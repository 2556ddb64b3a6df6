// Adapters: LoRA and control vectors.

#include "buffers.h"
#include "shim_lora.h"

using infer::guarded;
using infer::scope_guard;

// Internal classes of llama.cpp; lora_abi_test.go compares them with its source.
class llm_graph_result {
public:
    void reset();
};
struct llama_context {
    llm_graph_result * get_gf_res_reserve() const;
};

// The engine uses a graph again if the next batch has the same shape, even if adapters were set or
// removed since. A new adapter would have no effect, and the graph could refer to one that has been
// freed. The graph is a private member of the context. It is found as the member before the one
// that get_gf_res_reserve returns.
extern "C" void infer_forget_graph(struct llama_context * ctx) {
    infer_error err;
    guarded(&err, false, [&] {
        llm_graph_result * reserve = ctx->get_gf_res_reserve();
        llm_graph_result ** member = (llm_graph_result **) ctx;
        while (*member != reserve) {
            member++;
        }
        member[-1]->reset();
        return true;
    });
}

extern "C" struct llama_adapter_lora * infer_adapter_load(struct llama_model * model, const char * path, infer_scope scope, infer_error * err) {
    return guarded(err, (llama_adapter_lora *) nullptr, [&] {
        scope_guard in(scope);
        return llama_adapter_lora_init(model, path);
    });
}

extern "C" bool infer_adapter_set(struct llama_context * ctx, struct llama_adapter_lora * adapter, float scale, infer_error * err) {
    return guarded(err, false, [&] {
        infer_forget_graph(ctx);
        return llama_set_adapter_lora(ctx, adapter, scale) == 0;
    });
}

extern "C" bool infer_adapter_cvec(struct llama_context * ctx, const float * data, size_t len, int32_t n_embd, int32_t first, int32_t last,
        infer_scope scope, infer_error * err) {
    return guarded(err, false, [&] {
        scope_guard in(scope);
        infer_forget_graph(ctx);
        return llama_apply_adapter_cvec(ctx, data, len, n_embd, first, last) == 0;
    });
}
