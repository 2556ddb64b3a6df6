// Vocabulary, chat templates, samplers, adapters and quantisation: the engine's calls
// that may throw, each in one guarded function.

#include "guard.h"
#include "shim_more.h"

extern "C" bool goInferQuantizeProgress(uintptr_t handle, int done, int total, char * tensor);

using infer::guarded;
using infer::scope_guard;

extern "C" int32_t infer_tokenize(const struct llama_vocab * vocab, const char * text, int32_t text_len, llama_token * tokens, int32_t n_max,
        bool add_special, bool parse_special, infer_error * err) {
    return guarded(err, (int32_t) 0, [&] { return llama_tokenize(vocab, text, text_len, tokens, n_max, add_special, parse_special); });
}

extern "C" int32_t infer_piece(const struct llama_vocab * vocab, llama_token token, char * buf, int32_t length, bool special, infer_error * err) {
    return guarded(err, (int32_t) 0, [&] { return llama_token_to_piece(vocab, token, buf, length, 0, special); });
}

extern "C" int32_t infer_detokenize(const struct llama_vocab * vocab, const llama_token * tokens, int32_t n, char * text, int32_t length,
        bool remove_special, bool unparse_special, infer_error * err) {
    return guarded(err, (int32_t) 0, [&] { return llama_detokenize(vocab, tokens, n, text, length, remove_special, unparse_special); });
}

extern "C" int32_t infer_chat(const char * tmpl, const struct llama_chat_message * chat, size_t n, bool add_assistant, char * buf, int32_t length, infer_error * err) {
    return guarded(err, (int32_t) -1, [&] { return llama_chat_apply_template(tmpl, chat, n, add_assistant, buf, length); });
}

extern "C" struct llama_sampler * infer_sampler_grammar(const struct llama_vocab * vocab, const char * grammar, const char * root, infer_error * err) {
    return guarded(err, (llama_sampler *) nullptr, [&] { return llama_sampler_init_grammar(vocab, grammar, root); });
}

extern "C" struct llama_sampler * infer_sampler_dry(const struct llama_vocab * vocab, int32_t n_ctx_train, float multiplier, float base,
        int32_t allowed_length, int32_t last_n, const char ** breakers, size_t n_breakers, infer_error * err) {
    return guarded(err, (llama_sampler *) nullptr, [&] {
        return llama_sampler_init_dry(vocab, n_ctx_train, multiplier, base, allowed_length, last_n, breakers, n_breakers);
    });
}

extern "C" llama_token infer_sample(struct llama_sampler * chain, struct llama_context * ctx, int32_t i, infer_error * err) {
    return guarded(err, (llama_token) -1, [&] { return llama_sampler_sample(chain, ctx, i); });
}

extern "C" bool infer_sampler_accept(struct llama_sampler * sampler, llama_token token, infer_error * err) {
    return guarded(err, false, [&] {
        llama_sampler_accept(sampler, token);
        return true;
    });
}

extern "C" bool infer_sampler_reset(struct llama_sampler * sampler, infer_error * err) {
    return guarded(err, false, [&] {
        llama_sampler_reset(sampler);
        return true;
    });
}

extern "C" struct llama_sampler * infer_sampler_clone(const struct llama_sampler * sampler, infer_error * err) {
    return guarded(err, (llama_sampler *) nullptr, [&] { return llama_sampler_clone(sampler); });
}

extern "C" struct llama_adapter_lora * infer_adapter_load(struct llama_model * model, const char * path, infer_scope scope, infer_error * err) {
    return guarded(err, (llama_adapter_lora *) nullptr, [&] {
        scope_guard in(scope);
        return llama_adapter_lora_init(model, path);
    });
}

namespace {

struct cancelled : std::exception {
    const char * what() const noexcept override { return "cancelled"; }
};

// The quantiser tells its progress in its log only: "[  12/ 201]   NAME - [shape], ...".
// It is between two tensors then, with no threads of its own running, so that it can
// be left by an exception; it catches that itself and says that it failed.
struct quantize_watch {
    uintptr_t progress;
    void *    stop;
};

void watch_quantize(const char * text, void * data) {
    quantize_watch * w = (quantize_watch *) data;
    int  done = 0, total = 0;
    char name[GGML_MAX_NAME] = "";
    if (sscanf(text, " [ %d / %d ] %63s", &done, &total, name) != 3) {
        return;
    }
    if (infer_abort_requested(w->stop)) {
        throw cancelled();
    }
    if (w->progress) {
        goInferQuantizeProgress(w->progress, done, total, name);
    }
}

} // namespace

extern "C" bool infer_quantize(const char * in, const char * out, const llama_model_quantize_params * params, uintptr_t progress, void * stop, infer_error * err) {
    return guarded(err, false, [&] {
        quantize_watch w{progress, stop};
        infer::frame::current()->watch(watch_quantize, &w);
        return llama_model_quantize(in, out, params) == 0;
    });
}

extern "C" size_t infer_quantize_rows(enum ggml_type type, const float * src, void * dst, int64_t rows, int64_t row, infer_error * err) {
    return guarded(err, (size_t) 0, [&] { return ggml_quantize_chunk(type, src, dst, 0, rows, row, nullptr); });
}

extern "C" bool infer_optimized(void) {
#ifdef __OPTIMIZE__
    return true;
#else
    return false;
#endif
}
