// Adapters: LoRA and control vectors.

#include "buffers.h"
#include "shim_lora.h"

using infer::guarded;
using infer::scope_guard;

// From llama.cpp's internal interface; lora_abi_test.go checks it.
class llm_graph_result {
public:
    void reset();
};
struct llama_context {
    llm_graph_result * get_gf_res_reserve() const;
};

// A context computes a batch of the same form as the one before with the same graph,
// whatever its adapters are by then: a graph made without one would go on without, and
// one made with an adapter that has been freed would read its memory. The graph is a
// private member, next to the one of which the engine tells the address.
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
