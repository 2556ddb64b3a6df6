// Tests whether the libraries of an engine have the layouts of abi_v05.h.

namespace {

// canary takes what a function returns that returns a struct by value.
struct canary {
    static constexpr size_t size = 1024;
    unsigned char bytes[size];

    canary(const canary &); // not trivial, so that the caller says where it is returned
    ~canary() {}
};

// returned calls a function of no parameters that returns a T. It returns whether the function wrote the
// bytes of a T and no others.
template <typename T, typename... A> bool returned(T (*f)(A...), T & value, A... arguments) {
    alignas(64) unsigned char a[canary::size], b[canary::size];
    memset(a, 0xAA, sizeof a);
    memset(b, 0x55, sizeof b);
    for (unsigned char * place : {a, b}) {
        asm volatile("" : : "r"(place) : "memory");
        new (place) canary(((canary (*)(A...)) (void (*)(void)) f)(arguments...));
    }
    size_t end = canary::size;
    while (end > 0 && a[end - 1] != b[end - 1]) {
        end--;
    }
    memcpy(&value, a, sizeof value);
    return end <= sizeof(T) && end + alignof(T) > sizeof(T);
}

bool model_params() {
    llama_model_params p;
    return returned(llama_model_default_params, p) && !p.devices && !p.tensor_buft_overrides && p.n_gpu_layers == -1 && p.split_mode == LLAMA_SPLIT_MODE_LAYER &&
        p.load_mode == LLAMA_LOAD_MODE_AUTO && p.lazy_mode == LLAMA_LAZY_MODE_AUTO && p.main_gpu == 0 && !p.tensor_split && !p.progress_callback &&
        !p.kv_overrides && !p.vocab_only && !p.check_tensors && p.use_extra_bufts && !p.no_host && !p.no_alloc && !p.load_mtp;
}

bool context_params() {
    llama_context_params p;
    return returned(llama_context_default_params, p) && p.n_ctx == 512 && p.n_batch == 2048 && p.n_ubatch == 512 && p.n_seq_max == 1 && p.n_rs_seq == 0 &&
        p.n_outputs_max == 0 && p.n_outputs_max_per_seq == 1 && p.n_threads == 4 && p.n_threads_batch == 4 && p.ctx_type == 0 &&
        p.rope_scaling_type == LLAMA_ROPE_SCALING_TYPE_UNSPECIFIED && p.pooling_type == LLAMA_POOLING_TYPE_UNSPECIFIED &&
        p.attention_type == LLAMA_ATTENTION_TYPE_UNSPECIFIED && p.flash_attn_type == LLAMA_FLASH_ATTN_TYPE_AUTO && p.rope_freq_base == 0 &&
        p.yarn_ext_factor == -1 && p.yarn_beta_slow == -1 && p.yarn_orig_ctx == 0 && p.defrag_thold == -1 && !p.cb_eval && p.type_k == GGML_TYPE_F16 &&
        p.type_v == GGML_TYPE_F16 && !p.abort_callback && !p.embeddings && p.offload_kqv && p.no_perf && p.op_offload && p.swa_full && !p.kv_unified &&
        !p.samplers && p.n_samplers == 0 && !p.ctx_other;
}

bool quantize_params() {
    llama_model_quantize_params p;
    return returned(llama_model_quantize_default_params, p) && p.nthread == 0 && p.ftype == LLAMA_FTYPE_MOSTLY_Q8_0 && (int) p.output_tensor_type == GGML_TYPE_COUNT &&
        (int) p.token_embedding_type == GGML_TYPE_COUNT && !p.allow_requantize && p.quantize_output_tensor && !p.only_copy && !p.pure && !p.keep_split &&
        !p.dry_run && !p.imatrix && !p.kv_overrides && !p.tensor_types && !p.prune_layers;
}

bool buffer_types() {
    using type = ggml_backend_buffer_type;
    const infer::fake f;
    return f.ask((void *) ggml_backend_buft_name, -1) == f.place(offsetof(type, iface.get_name)) &&
        f.ask((void *) ggml_backend_buft_get_alignment, -1) == f.place(offsetof(type, iface.get_alignment)) &&
        f.ask((void *) ggml_backend_buft_get_max_size, -1) == f.place(offsetof(type, iface.get_max_size)) &&
        f.ask((void *) ggml_backend_buft_get_device, -1) == f.word(offsetof(type, device));
}

bool buffers() {
    using buffer = ggml_backend_buffer;
    const infer::fake f;
    return f.ask((void *) ggml_backend_buffer_get_type, -1) == f.word(offsetof(buffer, buft)) &&
        f.ask((void *) ggml_backend_buffer_get_size, -1) == f.word(offsetof(buffer, size)) &&
        f.ask((void *) ggml_backend_buffer_get_usage, UINT32_MAX) == (f.word(offsetof(buffer, usage)) & UINT32_MAX);
}

bool tensors() {
    constexpr size_t object = 32; // of a context, before each tensor
    return ggml_tensor_overhead() == object + sizeof(ggml_tensor);
}

thread_local const void * seen; // by the last function of a sampler that the engine called

bool samplers() {
    llama_sampler_i i = {};
    i.name   = [](const llama_sampler *) { return "name"; };
    i.accept = [](llama_sampler * s, llama_token) { seen = (const void *) s->iface->accept; };
    i.apply  = [](llama_sampler * s, llama_token_data_array *) { seen = (const void *) s->iface->apply; };
    i.reset  = [](llama_sampler * s) { seen = (const void *) s->iface->reset; };
    i.clone  = [](const llama_sampler *) { return (llama_sampler *) &seen; };
    i.free   = [](llama_sampler * s) { seen = (const void *) s->iface->free; };
    llama_sampler * s = llama_sampler_init(&i, &i);
    llama_token_data_array none = {};
    bool ok = s->iface == &i && s->ctx == &i && strcmp(llama_sampler_name(s), "name") == 0;
    llama_sampler_accept(s, 0);
    ok &= seen == (const void *) i.accept;
    llama_sampler_apply(s, &none);
    ok &= seen == (const void *) i.apply;
    llama_sampler_reset(s);
    ok &= seen == (const void *) i.reset;
    ok &= llama_sampler_clone(s) == (llama_sampler *) &seen;
    llama_sampler_free(s);
    return ok && seen == (const void *) i.free;
}

bool thread_params() {
    ggml_threadpool_params p;
    return returned(ggml_threadpool_params_default, p, 3) && p.n_threads == 3 && p.prio == GGML_SCHED_PRIO_NORMAL && p.poll == 50 && !p.strict_cpu && !p.paused;
}

bool plans() {
    alignas(64) static const unsigned char no_nodes[1024] = {};
    ggml_cplan p;
    return returned(ggml_graph_plan, p, (const ggml_cgraph *) no_nodes, 3, (ggml_threadpool *) nullptr) && p.work_size == 0 && !p.work_data && p.n_threads == 1 && !p.threadpool;
}

// check_cpu returns why the library for this CPU is not of llama.cpp v0.5.x, empty if it is.
std::string check_cpu() {
    if (!thread_params()) {
        return "its ggml_threadpool_params has another layout";
    }
    if (!plans()) {
        return "its ggml_cplan has another layout";
    }
    return "";
}

// check returns why the libraries are not of llama.cpp v0.5.x, empty if they are. It calls only functions
// that need no backend.
std::string check() {
    if (!changed::llama_version) {
        return "it has no function llama_version: llama.cpp before v0.4";
    }
    const std::string version = changed::llama_version();
    if (version.rfind("0.4.", 0) != 0 && version.rfind("0.5.", 0) != 0) {
        return "it is llama.cpp " + version + ", and 0.4 and 0.5 are supported";
    }
    std::string lacking;
    for (const auto & [name, f] : {
             std::pair{"llama_model_default_params", (void *) llama_model_default_params},
             std::pair{"llama_context_default_params", (void *) llama_context_default_params},
             std::pair{"llama_model_quantize_default_params", (void *) llama_model_quantize_default_params},
             std::pair{"ggml_backend_buft_name", (void *) ggml_backend_buft_name},
             std::pair{"ggml_backend_buft_get_alignment", (void *) ggml_backend_buft_get_alignment},
             std::pair{"ggml_backend_buft_get_max_size", (void *) ggml_backend_buft_get_max_size},
             std::pair{"ggml_backend_buft_get_device", (void *) ggml_backend_buft_get_device},
             std::pair{"ggml_backend_buffer_get_type", (void *) ggml_backend_buffer_get_type},
             std::pair{"ggml_backend_buffer_get_size", (void *) ggml_backend_buffer_get_size},
             std::pair{"ggml_backend_buffer_get_usage", (void *) ggml_backend_buffer_get_usage},
             std::pair{"ggml_tensor_overhead", (void *) ggml_tensor_overhead},
             std::pair{"llama_sampler_init", (void *) changed::llama_sampler_init},
             std::pair{"llama_sampler_name", (void *) llama_sampler_name},
             std::pair{"llama_sampler_accept", (void *) llama_sampler_accept},
             std::pair{"llama_sampler_apply", (void *) llama_sampler_apply},
             std::pair{"llama_sampler_reset", (void *) llama_sampler_reset},
             std::pair{"llama_sampler_clone", (void *) llama_sampler_clone},
             std::pair{"llama_sampler_free", (void *) llama_sampler_free},
             std::pair{"ggml_backend_load_all_from_path", (void *) ggml_backend_load_all_from_path},
             std::pair{"ggml_backend_dev_by_type", (void *) ggml_backend_dev_by_type},
             std::pair{"ggml_backend_dev_backend_reg", (void *) ggml_backend_dev_backend_reg},
             std::pair{"ggml_backend_reg_get_proc_address", (void *) ggml_backend_reg_get_proc_address}}) {
        if (!f) {
            lacking += (lacking.empty() ? "" : ", ") + std::string(name);
        }
    }
    if (!lacking.empty()) {
        return "it lacks functions: " + lacking;
    }
    for (const auto & [what, same] : {std::pair{"llama_model_params", model_params}, std::pair{"llama_context_params", context_params}, std::pair{"llama_model_quantize_params", quantize_params},
             std::pair{"ggml_backend_buffer_type", buffer_types}, std::pair{"ggml_backend_buffer", buffers}, std::pair{"ggml_tensor", tensors}, std::pair{"llama_sampler_i", samplers}}) {
        if (!same()) {
            return "it says that it is llama.cpp " + version + ", but its " + what + " has another layout";
        }
    }
    return "";
}

} // namespace
