// The types of llama.cpp's and ggml's C ABI that this package uses, as far as they are the same in all
// engines. abi_builtin.h and abi_v05.h declare the others.
//
// cgo cannot include headers of another Go module by a path that works after `go get`, so the used
// part of the interface is declared here. abi_test.go compares each size, offset and value with the
// compiled-in engine's own headers; engine_version.go refuses other versions of that engine.

#ifndef INFER_ABI_TYPES_H
#define INFER_ABI_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GGML_MAX_DIMS      4
#define GGML_MAX_SRC       10
#define GGML_MAX_N_THREADS 512
#define GGML_MAX_OP_PARAMS 64
#define GGML_MAX_NAME      64

enum ggml_status {
    GGML_STATUS_ALLOC_FAILED = -2,
    GGML_STATUS_FAILED       = -1,
    GGML_STATUS_SUCCESS      = 0,
    GGML_STATUS_ABORTED      = 1,
};

enum ggml_log_level {
    GGML_LOG_LEVEL_NONE  = 0,
    GGML_LOG_LEVEL_DEBUG = 1,
    GGML_LOG_LEVEL_INFO  = 2,
    GGML_LOG_LEVEL_WARN  = 3,
    GGML_LOG_LEVEL_ERROR = 4,
    GGML_LOG_LEVEL_CONT  = 5,
};

enum ggml_type {
    GGML_TYPE_F32   = 0,
    GGML_TYPE_F16   = 1,
    GGML_TYPE_Q4_0  = 2,
    GGML_TYPE_Q4_1  = 3,
    GGML_TYPE_Q5_0  = 6,
    GGML_TYPE_Q5_1  = 7,
    GGML_TYPE_Q8_0  = 8,
    GGML_TYPE_Q4_K  = 12,
    GGML_TYPE_Q5_K  = 13,
    GGML_TYPE_Q6_K  = 14,
    GGML_TYPE_IQ4_NL = 20,
    GGML_TYPE_IQ4_XS = 23,
    GGML_TYPE_I32   = 26,
    GGML_TYPE_BF16  = 30,
    GGML_TYPE_MXFP4 = 39,
};

// Declared because ggml_tensor has a field of this type, and for GGML_OP_NONE.
enum ggml_op {
    GGML_OP_NONE = 0,
};

enum ggml_sched_priority {
    GGML_SCHED_PRIO_LOW = -1,
    GGML_SCHED_PRIO_NORMAL,
    GGML_SCHED_PRIO_MEDIUM,
    GGML_SCHED_PRIO_HIGH,
    GGML_SCHED_PRIO_REALTIME,
};

enum ggml_backend_buffer_usage {
    GGML_BACKEND_BUFFER_USAGE_ANY     = 0,
    GGML_BACKEND_BUFFER_USAGE_WEIGHTS = 1,
    GGML_BACKEND_BUFFER_USAGE_COMPUTE = 2,
};

enum ggml_backend_dev_type {
    GGML_BACKEND_DEVICE_TYPE_CPU,
    GGML_BACKEND_DEVICE_TYPE_GPU,
    GGML_BACKEND_DEVICE_TYPE_IGPU,
    GGML_BACKEND_DEVICE_TYPE_ACCEL,
};

struct ggml_cgraph;
struct ggml_cplan;
struct ggml_threadpool;
struct ggml_backend;
struct ggml_backend_event;
struct ggml_gallocr;
struct ggml_backend_sched;
struct ggml_backend_buffer_type;
struct ggml_backend_buffer;
struct ggml_backend_device;
struct ggml_backend_reg;
typedef struct ggml_threadpool * ggml_threadpool_t;

typedef struct ggml_backend             * ggml_backend_t;
typedef struct ggml_backend_event       * ggml_backend_event_t;
typedef struct ggml_gallocr             * ggml_gallocr_t;
typedef struct ggml_backend_sched       * ggml_backend_sched_t;
typedef struct ggml_backend_buffer_type * ggml_backend_buffer_type_t;
typedef struct ggml_backend_buffer      * ggml_backend_buffer_t;
typedef struct ggml_backend_device      * ggml_backend_dev_t;
typedef struct ggml_backend_reg         * ggml_backend_reg_t;
typedef uint8_t ggml_guid[16];
typedef ggml_guid * ggml_guid_t;

typedef void (*ggml_log_callback)(enum ggml_log_level level, const char * text, void * user_data);
typedef void (*ggml_abort_callback_t)(const char * error_message);
typedef bool (*ggml_abort_callback)(void * data);

struct ggml_tensor {
    enum ggml_type               type;
    struct ggml_backend_buffer * buffer;
    int64_t                      ne[GGML_MAX_DIMS];
    size_t                       nb[GGML_MAX_DIMS];
    enum ggml_op                 op;
    int32_t                      op_params[GGML_MAX_OP_PARAMS / sizeof(int32_t)];
    int32_t                      flags;
    struct ggml_tensor *         src[GGML_MAX_SRC];
    struct ggml_tensor *         view_src;
    size_t                       view_offs;
    void *                       data;
    char                         name[GGML_MAX_NAME];
    void *                       extra;
    char                         padding[8];
};

struct ggml_threadpool_params {
    bool                     cpumask[GGML_MAX_N_THREADS];
    int                      n_threads;
    enum ggml_sched_priority prio;
    uint32_t                 poll;
    bool                     strict_cpu;
    bool                     paused;
};

typedef bool (*ggml_backend_sched_eval_callback)(struct ggml_tensor * t, bool ask, void * user_data);
typedef ggml_backend_buffer_type_t * (*ggml_backend_dev_get_extra_bufts_t)(ggml_backend_dev_t device);

struct ggml_backend_feature {
    const char * name;
    const char * value;
};
typedef struct ggml_backend_feature * (*ggml_backend_get_features_t)(ggml_backend_reg_t reg);

struct llama_vocab;
struct llama_model;
struct llama_context;
struct llama_adapter_lora;
struct llama_memory_i;
struct llama_model_params;
struct llama_context_params;
struct llama_model_kv_override;
typedef struct llama_memory_i * llama_memory_t;

typedef int32_t llama_pos;
typedef int32_t llama_token;
typedef int32_t llama_seq_id;

enum llama_vocab_type {
    LLAMA_VOCAB_TYPE_NONE   = 0,
    LLAMA_VOCAB_TYPE_SPM    = 1,
    LLAMA_VOCAB_TYPE_BPE    = 2,
    LLAMA_VOCAB_TYPE_WPM    = 3,
    LLAMA_VOCAB_TYPE_UGM    = 4,
    LLAMA_VOCAB_TYPE_RWKV   = 5,
    LLAMA_VOCAB_TYPE_PLAMO2 = 6,
};

enum llama_rope_type {
    LLAMA_ROPE_TYPE_NONE   = -1,
    LLAMA_ROPE_TYPE_NORM   = 0,
    LLAMA_ROPE_TYPE_MROPE  = 8,
    LLAMA_ROPE_TYPE_IMROPE = 40,
};

enum llama_token_attr {
    LLAMA_TOKEN_ATTR_UNDEFINED    = 0,
    LLAMA_TOKEN_ATTR_UNKNOWN      = 1 << 0,
    LLAMA_TOKEN_ATTR_UNUSED       = 1 << 1,
    LLAMA_TOKEN_ATTR_NORMAL       = 1 << 2,
    LLAMA_TOKEN_ATTR_CONTROL      = 1 << 3,
    LLAMA_TOKEN_ATTR_USER_DEFINED = 1 << 4,
    LLAMA_TOKEN_ATTR_BYTE         = 1 << 5,
    LLAMA_TOKEN_ATTR_NORMALIZED   = 1 << 6,
    LLAMA_TOKEN_ATTR_LSTRIP       = 1 << 7,
    LLAMA_TOKEN_ATTR_RSTRIP       = 1 << 8,
    LLAMA_TOKEN_ATTR_SINGLE_WORD  = 1 << 9,
};

enum llama_ftype {
    LLAMA_FTYPE_ALL_F32           = 0,
    LLAMA_FTYPE_MOSTLY_F16        = 1,
    LLAMA_FTYPE_MOSTLY_Q4_0       = 2,
    LLAMA_FTYPE_MOSTLY_Q4_1       = 3,
    LLAMA_FTYPE_MOSTLY_Q8_0       = 7,
    LLAMA_FTYPE_MOSTLY_Q5_0       = 8,
    LLAMA_FTYPE_MOSTLY_Q5_1       = 9,
    LLAMA_FTYPE_MOSTLY_Q2_K       = 10,
    LLAMA_FTYPE_MOSTLY_Q3_K_S     = 11,
    LLAMA_FTYPE_MOSTLY_Q3_K_M     = 12,
    LLAMA_FTYPE_MOSTLY_Q3_K_L     = 13,
    LLAMA_FTYPE_MOSTLY_Q4_K_S     = 14,
    LLAMA_FTYPE_MOSTLY_Q4_K_M     = 15,
    LLAMA_FTYPE_MOSTLY_Q5_K_S     = 16,
    LLAMA_FTYPE_MOSTLY_Q5_K_M     = 17,
    LLAMA_FTYPE_MOSTLY_Q6_K       = 18,
    LLAMA_FTYPE_MOSTLY_IQ2_XXS    = 19,
    LLAMA_FTYPE_MOSTLY_IQ2_XS     = 20,
    LLAMA_FTYPE_MOSTLY_Q2_K_S     = 21,
    LLAMA_FTYPE_MOSTLY_IQ3_XS     = 22,
    LLAMA_FTYPE_MOSTLY_IQ3_XXS    = 23,
    LLAMA_FTYPE_MOSTLY_IQ1_S      = 24,
    LLAMA_FTYPE_MOSTLY_IQ4_NL     = 25,
    LLAMA_FTYPE_MOSTLY_IQ3_S      = 26,
    LLAMA_FTYPE_MOSTLY_IQ3_M      = 27,
    LLAMA_FTYPE_MOSTLY_IQ2_S      = 28,
    LLAMA_FTYPE_MOSTLY_IQ2_M      = 29,
    LLAMA_FTYPE_MOSTLY_IQ4_XS     = 30,
    LLAMA_FTYPE_MOSTLY_IQ1_M      = 31,
    LLAMA_FTYPE_MOSTLY_BF16       = 32,
    LLAMA_FTYPE_MOSTLY_TQ1_0      = 36,
    LLAMA_FTYPE_MOSTLY_TQ2_0      = 37,
    LLAMA_FTYPE_MOSTLY_MXFP4_MOE  = 38,
};

enum llama_rope_scaling_type {
    LLAMA_ROPE_SCALING_TYPE_UNSPECIFIED = -1,
    LLAMA_ROPE_SCALING_TYPE_NONE        = 0,
    LLAMA_ROPE_SCALING_TYPE_LINEAR      = 1,
    LLAMA_ROPE_SCALING_TYPE_YARN        = 2,
    LLAMA_ROPE_SCALING_TYPE_LONGROPE    = 3,
};

enum llama_pooling_type {
    LLAMA_POOLING_TYPE_UNSPECIFIED = -1,
    LLAMA_POOLING_TYPE_NONE        = 0,
    LLAMA_POOLING_TYPE_MEAN        = 1,
    LLAMA_POOLING_TYPE_CLS         = 2,
    LLAMA_POOLING_TYPE_LAST        = 3,
    LLAMA_POOLING_TYPE_RANK        = 4,
};

enum llama_attention_type {
    LLAMA_ATTENTION_TYPE_UNSPECIFIED = -1,
    LLAMA_ATTENTION_TYPE_CAUSAL      = 0,
    LLAMA_ATTENTION_TYPE_NON_CAUSAL  = 1,
};

enum llama_flash_attn_type {
    LLAMA_FLASH_ATTN_TYPE_AUTO     = -1,
    LLAMA_FLASH_ATTN_TYPE_DISABLED = 0,
    LLAMA_FLASH_ATTN_TYPE_ENABLED  = 1,
};

enum llama_split_mode {
    LLAMA_SPLIT_MODE_NONE  = 0,
    LLAMA_SPLIT_MODE_LAYER = 1,
    LLAMA_SPLIT_MODE_ROW   = 2,
};

typedef bool (*llama_progress_callback)(float progress, void * user_data);

typedef struct llama_token_data {
    llama_token id;
    float       logit;
    float       p;
} llama_token_data;

typedef struct llama_token_data_array {
    llama_token_data * data;
    size_t             size;
    int64_t            selected;
    bool               sorted;
} llama_token_data_array;

typedef struct llama_batch {
    int32_t         n_tokens;
    llama_token *   token;
    float *         embd;
    llama_pos *     pos;
    int32_t *       n_seq_id;
    llama_seq_id ** seq_id;
    int8_t *        logits;
} llama_batch;

struct llama_model_tensor_buft_override {
    const char *               pattern;
    ggml_backend_buffer_type_t buft;
};

typedef struct llama_logit_bias {
    llama_token token;
    float       bias;
} llama_logit_bias;

typedef struct llama_sampler_chain_params {
    bool no_perf;
} llama_sampler_chain_params;

typedef struct llama_chat_message {
    const char * role;
    const char * content;
} llama_chat_message;

typedef void * llama_sampler_context_t;
struct llama_sampler;
struct llama_perf_context_data {
    double  t_start_ms;
    double  t_load_ms;
    double  t_p_eval_ms;
    double  t_eval_ms;
    int32_t n_p_eval;
    int32_t n_eval;
    int32_t n_reused;
};

#ifdef __cplusplus
}
#endif

#endif
