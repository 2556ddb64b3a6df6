// Contexts: creation, evaluation, state and results. Their memory comes from the scope of a call.

#include "buffers.h"
#include "shim_callbacks.h"
#include "shim_context.h"

using infer::guarded;
using infer::scope_guard;

infer_context_params infer_context_defaults(void) {
    const llama_context_params d = llama_context_default_params();
    infer_context_params p = {};
    p.n_ctx           = d.n_ctx;
    p.n_batch         = d.n_batch;
    p.n_ubatch        = d.n_ubatch;
    p.yarn_ext_factor = d.yarn_ext_factor;
    p.yarn_attn_factor = d.yarn_attn_factor;
    p.yarn_beta_fast  = d.yarn_beta_fast;
    p.yarn_beta_slow  = d.yarn_beta_slow;
    return p;
}

struct llama_context * infer_context_new(struct llama_model * model, infer_context_params p, infer_scope scope, infer_error * err) {
    return guarded(err, (llama_context *) nullptr, [&] {
        llama_context_params n = llama_context_default_params();
        n.n_ctx             = p.n_ctx;
        n.n_batch           = p.n_batch;
        n.n_ubatch          = p.n_ubatch;
        n.n_seq_max         = p.n_seq_max;
        n.n_threads         = p.n_threads;
        n.n_threads_batch   = p.n_threads_batch;
        n.rope_scaling_type = (enum llama_rope_scaling_type) p.rope_scaling_type;
        n.pooling_type      = (enum llama_pooling_type) p.pooling_type;
        n.attention_type    = (enum llama_attention_type) p.attention_type;
        n.flash_attn_type   = (enum llama_flash_attn_type) p.flash_attn_type;
        n.rope_freq_base    = p.rope_freq_base;
        n.rope_freq_scale   = p.rope_freq_scale;
        n.yarn_ext_factor   = p.yarn_ext_factor;
        n.yarn_attn_factor  = p.yarn_attn_factor;
        n.yarn_beta_fast    = p.yarn_beta_fast;
        n.yarn_beta_slow    = p.yarn_beta_slow;
        n.yarn_orig_ctx     = p.yarn_orig_ctx;
        n.type_k            = (enum ggml_type) p.type_k;
        n.type_v            = (enum ggml_type) p.type_v;
        n.embeddings        = p.embeddings;
        n.offload_kqv       = p.offload_kqv;
        n.swa_full          = p.swa_full;
        n.kv_unified        = p.kv_unified;
        n.no_perf           = true;
        if (p.abort) {
            n.abort_callback      = infer_abort_requested;
            n.abort_callback_data = p.abort;
        }
        if (p.layers) {
            n.cb_eval           = infer_eval;
            n.cb_eval_user_data = p.layers;
            n.op_offload        = false; // a device would be given weights that are not in their slots
        }
        scope_guard in(scope);
        infer::backends_last order;
        return llama_init_from_model(model, n);
    });
}

void infer_context_free(struct llama_context * ctx) {
    infer::backends_last order;
    llama_free(ctx);
}

int32_t infer_decode(struct llama_context * ctx, struct llama_batch batch, infer_scope scope, infer_error * err) {
    return guarded(err, (int32_t) -4, [&] {
        scope_guard in(scope);
        return llama_decode(ctx, batch);
    });
}

int32_t infer_encode(struct llama_context * ctx, struct llama_batch batch, infer_scope scope, infer_error * err) {
    return guarded(err, (int32_t) -4, [&] {
        scope_guard in(scope);
        return llama_encode(ctx, batch);
    });
}

void infer_memory_settle(struct llama_context * ctx, infer_scope scope, infer_error * err) {
    guarded(err, false, [&] {
        scope_guard in(scope);
        return infer::memory_update(ctx);
    });
}

size_t infer_state_size(struct llama_context * ctx, llama_seq_id seq, uint32_t flags, infer_error * err) {
    return guarded(err, (size_t) 0, [&] {
        return seq < 0 ? llama_state_get_size(ctx) : llama_state_seq_get_size_ext(ctx, seq, flags);
    });
}

size_t infer_state_get(struct llama_context * ctx, llama_seq_id seq, uint32_t flags, uint8_t * dst, size_t size, infer_error * err) {
    return guarded(err, (size_t) 0, [&] {
        return seq < 0 ? llama_state_get_data(ctx, dst, size) : llama_state_seq_get_data_ext(ctx, dst, size, seq, flags);
    });
}

size_t infer_state_set(struct llama_context * ctx, llama_seq_id seq, uint32_t flags, const uint8_t * src, size_t size, infer_scope scope, infer_error * err) {
    return guarded(err, (size_t) 0, [&] {
        scope_guard in(scope);
        return seq < 0 ? llama_state_set_data(ctx, src, size) : llama_state_seq_set_data_ext(ctx, src, size, seq, flags);
    });
}

size_t infer_state_save(struct llama_context * ctx, llama_seq_id seq, const char * path, const llama_token * tokens, size_t n, infer_error * err) {
    return guarded(err, (size_t) 0, [&] { return llama_state_seq_save_file(ctx, path, seq, tokens, n); });
}

size_t infer_state_load(struct llama_context * ctx, llama_seq_id seq, const char * path, llama_token * tokens, size_t most, size_t * n, infer_scope scope, infer_error * err) {
    return guarded(err, (size_t) 0, [&] {
        scope_guard in(scope);
        return llama_state_seq_load_file(ctx, path, seq, tokens, most, n);
    });
}

float * infer_logits(struct llama_context * ctx, int32_t i, infer_error * err) {
    return guarded(err, (float *) nullptr, [&] { return llama_get_logits_ith(ctx, i); });
}

float * infer_embedding(struct llama_context * ctx, int32_t i, infer_error * err) {
    return guarded(err, (float *) nullptr, [&] { return llama_get_embeddings_ith(ctx, i); });
}

float * infer_embedding_seq(struct llama_context * ctx, llama_seq_id seq, infer_error * err) {
    return guarded(err, (float *) nullptr, [&] { return llama_get_embeddings_seq(ctx, seq); });
}
