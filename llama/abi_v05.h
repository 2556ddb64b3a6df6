// The types and functions of llama.cpp v0.5.x that differ from those of other engines. See abi_types.h.
// No header of that version is compiled in: v05.hpp compares the layouts with each library.

#ifndef INFER_ABI_V05_H
#define INFER_ABI_V05_H

#define GGML_TYPE_COUNT 43

struct ggml_cplan {
    size_t                   work_size;
    uint8_t *                work_data;
    int                      n_threads;
    struct ggml_threadpool * threadpool;
    ggml_abort_callback      abort_callback;
    void *                   abort_callback_data;
    bool                     use_ref;
};

struct ggml_backend_buffer_type_i {
    const char *          (*get_name)(ggml_backend_buffer_type_t buft);
    ggml_backend_buffer_t (*alloc_buffer)(ggml_backend_buffer_type_t buft, size_t size);
    size_t                (*get_alignment)(ggml_backend_buffer_type_t buft);
    size_t                (*get_max_size)(ggml_backend_buffer_type_t buft);
    size_t                (*get_alloc_size)(ggml_backend_buffer_type_t buft, const struct ggml_tensor * tensor);
    bool                  (*is_host)(ggml_backend_buffer_type_t buft);
};

struct ggml_backend_buffer_type {
    struct ggml_backend_buffer_type_i iface;
    ggml_backend_dev_t                device;
    void *                            context;
};

struct ggml_backend_buffer_i {
    void             (*free_buffer)(ggml_backend_buffer_t buffer);
    void *           (*get_base)(ggml_backend_buffer_t buffer);
    enum ggml_status (*init_tensor)(ggml_backend_buffer_t buffer, struct ggml_tensor * tensor);
    void             (*memset_tensor)(ggml_backend_buffer_t buffer, struct ggml_tensor * tensor, uint8_t value, size_t offset, size_t size);
    void             (*set_tensor)(ggml_backend_buffer_t buffer, struct ggml_tensor * tensor, const void * data, size_t offset, size_t size);
    void             (*get_tensor)(ggml_backend_buffer_t buffer, const struct ggml_tensor * tensor, void * data, size_t offset, size_t size);
    void             (*set_tensor_2d)(ggml_backend_buffer_t buffer, struct ggml_tensor * tensor, const void * data, size_t offset, size_t size, size_t copies, size_t stride_tensor, size_t stride_data);
    void             (*get_tensor_2d)(ggml_backend_buffer_t buffer, const struct ggml_tensor * tensor, void * data, size_t offset, size_t size, size_t copies, size_t stride_tensor, size_t stride_data);
    bool             (*cpy_tensor)(ggml_backend_buffer_t buffer, const struct ggml_tensor * src, struct ggml_tensor * dst);
    void             (*clear)(ggml_backend_buffer_t buffer, uint8_t value);
    void             (*reset)(ggml_backend_buffer_t buffer);
};

struct ggml_backend_buffer {
    struct ggml_backend_buffer_i   iface;
    ggml_backend_buffer_type_t     buft;
    void *                         context;
    size_t                         size;
    enum ggml_backend_buffer_usage usage;
};

enum llama_load_mode {
    LLAMA_LOAD_MODE_AUTO = -1,
    LLAMA_LOAD_MODE_NONE = 0,
    LLAMA_LOAD_MODE_MMAP = 1,
};

enum llama_lazy_mode {
    LLAMA_LAZY_MODE_OFF  = 0,
    LLAMA_LAZY_MODE_AUTO = 1,
};

struct llama_model_params {
    ggml_backend_dev_t *                            devices;
    const struct llama_model_tensor_buft_override * tensor_buft_overrides;
    int32_t                                         n_gpu_layers;
    enum llama_split_mode                           split_mode;
    enum llama_load_mode                            load_mode;
    enum llama_lazy_mode                            lazy_mode;
    int32_t                                         main_gpu;
    const float *                                   tensor_split;
    llama_progress_callback                         progress_callback;
    void *                                          progress_callback_user_data;
    const struct llama_model_kv_override *          kv_overrides;
    bool                                            vocab_only;
    bool                                            check_tensors;
    bool                                            use_extra_bufts;
    bool                                            no_host;
    bool                                            no_alloc;
    bool                                            load_mtp;
};

struct llama_context_params {
    uint32_t                         n_ctx;
    uint32_t                         n_batch;
    uint32_t                         n_ubatch;
    uint32_t                         n_seq_max;
    uint32_t                         n_rs_seq;
    uint32_t                         n_outputs_max;
    uint32_t                         n_outputs_max_per_seq;
    int32_t                          n_threads;
    int32_t                          n_threads_batch;
    int32_t                          ctx_type;
    enum llama_rope_scaling_type     rope_scaling_type;
    enum llama_pooling_type          pooling_type;
    enum llama_attention_type        attention_type;
    enum llama_flash_attn_type       flash_attn_type;
    float                            rope_freq_base;
    float                            rope_freq_scale;
    float                            yarn_ext_factor;
    float                            yarn_attn_factor;
    float                            yarn_beta_fast;
    float                            yarn_beta_slow;
    uint32_t                         yarn_orig_ctx;
    float                            defrag_thold;
    ggml_backend_sched_eval_callback cb_eval;
    void *                           cb_eval_user_data;
    enum ggml_type                   type_k;
    enum ggml_type                   type_v;
    ggml_abort_callback              abort_callback;
    void *                           abort_callback_data;
    bool                             embeddings;
    bool                             offload_kqv;
    bool                             no_perf;
    bool                             op_offload;
    bool                             swa_full;
    bool                             kv_unified;
    void *                           samplers;
    size_t                           n_samplers;
    struct llama_context *           ctx_other;
};

typedef struct llama_model_quantize_params {
    int32_t          nthread;
    enum llama_ftype ftype;
    enum ggml_type   output_tensor_type;
    enum ggml_type   token_embedding_type;
    bool             allow_requantize;
    bool             quantize_output_tensor;
    bool             only_copy;
    bool             pure;
    bool             keep_split;
    bool             dry_run;
    void *           imatrix;
    void *           kv_overrides;
    void *           tensor_types;
    void *           prune_layers;
    int32_t          rest[2]; // not used here
} llama_model_quantize_params;

struct llama_sampler_i {
    const char *           (*name)(const struct llama_sampler * smpl);
    void                   (*accept)(struct llama_sampler * smpl, llama_token token);
    void                   (*apply)(struct llama_sampler * smpl, llama_token_data_array * cur_p);
    void                   (*reset)(struct llama_sampler * smpl);
    struct llama_sampler * (*clone)(const struct llama_sampler * smpl);
    void                   (*free)(struct llama_sampler * smpl);
    void *                 backend[6]; // for samplers on devices; may be NULL
};

struct llama_sampler {
    const struct llama_sampler_i * iface;
    llama_sampler_context_t        ctx;
};

// Functions that the compiled-in engine has with other prototypes, or not at all.
#define INFER_V05_FUNCTIONS(X) \
    X(const char *, llama_version, (void)) \
    X(void, ggml_backend_buffer_free, (ggml_backend_buffer_t buffer)) \
    X(int32_t, llama_set_adapters_lora, (struct llama_context * ctx, struct llama_adapter_lora ** adapters, size_t n_adapters, float * scales)) \
    X(int32_t, llama_set_adapter_cvec, (struct llama_context * ctx, const float * data, size_t len, int32_t n_embd, int32_t il_start, int32_t il_end)) \
    X(struct llama_sampler *, llama_sampler_init, (struct llama_sampler_i * iface, llama_sampler_context_t ctx)) \
    X(struct llama_sampler *, llama_sampler_chain_get, (struct llama_sampler * chain, int32_t i)) \
    X(struct llama_sampler *, llama_sampler_init_penalties, (int32_t n_vocab, int32_t penalty_last_n, float penalty_repeat, float penalty_freq, float penalty_present)) \
    X(struct llama_sampler *, llama_sampler_init_dry, (const struct llama_vocab * vocab, float dry_multiplier, float dry_base, int32_t dry_allowed_length, int32_t dry_penalty_last_n, const char ** seq_breakers, size_t num_breakers))

#endif
