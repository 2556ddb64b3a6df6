// Contexts: creation, evaluation, state and results. Their memory comes from the scope of a call.

#include "buffers.h"
#include "shim_context.h"

// The only method of the engine's class that is used here. Each decode calls it first.
struct llama_context {
    bool memory_update(bool optimize);
};

using infer::guarded;
using infer::scope_guard;

extern "C" struct llama_context * infer_context_new(struct llama_model * model, struct llama_context_params params, infer_scope scope, infer_error * err) {
    return guarded(err, (llama_context *) nullptr, [&] {
        scope_guard in(scope);
        infer::backends_last order;
        return llama_init_from_model(model, params);
    });
}

extern "C" void infer_context_free(struct llama_context * ctx) {
    infer::backends_last order;
    llama_free(ctx);
}

extern "C" int32_t infer_decode(struct llama_context * ctx, struct llama_batch batch, infer_scope scope, infer_error * err) {
    return guarded(err, (int32_t) -4, [&] {
        scope_guard in(scope);
        return llama_decode(ctx, batch);
    });
}

extern "C" int32_t infer_encode(struct llama_context * ctx, struct llama_batch batch, infer_scope scope, infer_error * err) {
    return guarded(err, (int32_t) -4, [&] {
        scope_guard in(scope);
        return llama_encode(ctx, batch);
    });
}

extern "C" void infer_memory_settle(struct llama_context * ctx, infer_scope scope, infer_error * err) {
    guarded(err, false, [&] {
        scope_guard in(scope);
        return ctx->memory_update(false);
    });
}

extern "C" size_t infer_state_size(struct llama_context * ctx, llama_seq_id seq, infer_error * err) {
    return guarded(err, (size_t) 0, [&] {
        return seq < 0 ? llama_state_get_size(ctx) : llama_state_seq_get_size(ctx, seq);
    });
}

extern "C" size_t infer_state_get(struct llama_context * ctx, llama_seq_id seq, uint8_t * dst, size_t size, infer_error * err) {
    return guarded(err, (size_t) 0, [&] {
        return seq < 0 ? llama_state_get_data(ctx, dst, size) : llama_state_seq_get_data(ctx, dst, size, seq);
    });
}

extern "C" size_t infer_state_set(struct llama_context * ctx, llama_seq_id seq, const uint8_t * src, size_t size, infer_scope scope, infer_error * err) {
    return guarded(err, (size_t) 0, [&] {
        scope_guard in(scope);
        return seq < 0 ? llama_state_set_data(ctx, src, size) : llama_state_seq_set_data(ctx, src, size, seq);
    });
}

extern "C" float * infer_logits(struct llama_context * ctx, int32_t i, infer_error * err) {
    return guarded(err, (float *) nullptr, [&] { return llama_get_logits_ith(ctx, i); });
}

extern "C" float * infer_embedding(struct llama_context * ctx, int32_t i, infer_error * err) {
    return guarded(err, (float *) nullptr, [&] { return llama_get_embeddings_ith(ctx, i); });
}

extern "C" float * infer_embedding_seq(struct llama_context * ctx, llama_seq_id seq, infer_error * err) {
    return guarded(err, (float *) nullptr, [&] { return llama_get_embeddings_seq(ctx, seq); });
}
