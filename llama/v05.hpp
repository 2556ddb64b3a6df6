// What differs between engines, for llama.cpp v0.5.x: abi_v05.h. Its functions are pointers, which are
// set when its libraries are loaded.

#include "buffers.h"

// The engine's functions, under the names and with the prototypes that this package uses.
#define POINTER(name) decltype(prototypes::name) * name;
INFER_ABI_NAMES(POINTER)
#undef POINTER

// Functions whose prototypes or names have changed.
namespace changed {
#define POINTER(result, name, parameters) result (*name) parameters;
INFER_V05_FUNCTIONS(POINTER)
#undef POINTER
} // namespace changed

inline llama_sampler * llama_sampler_init(const llama_sampler_i * iface, llama_sampler_context_t ctx) {
    return changed::llama_sampler_init(const_cast<llama_sampler_i *>(iface), ctx);
}

inline llama_sampler * llama_sampler_chain_get(const llama_sampler * chain, int32_t i) {
    return changed::llama_sampler_chain_get(const_cast<llama_sampler *>(chain), i);
}

inline llama_sampler * llama_sampler_init_dry(const llama_vocab * vocab, int32_t, float multiplier, float base, int32_t allowed_length, int32_t last_n,
        const char ** breakers, size_t n_breakers) {
    return changed::llama_sampler_init_dry(vocab, multiplier, base, allowed_length, last_n, breakers, n_breakers);
}

namespace infer {

// Functions of llama.cpp's C++ code, nullptr where a library does not export them.
using tensor_map = std::vector<std::pair<std::string, ggml_tensor *>>;
inline const tensor_map & (*internal_tensor_map)(const llama_model *);
inline bool (*internal_memory_update)(llama_context *, bool);
inline void * (*internal_graph)(llama_context *);
inline void (*internal_graph_reset)(void *);
inline void (*internal_barrier)(struct ggml_threadpool *);
inline quantizer internal_quantizer_q8_K;
inline void * internal_supports_op, * internal_get_operation, * internal_compute_q4_0, * internal_compute_q4_K;

// The engine frees backends after the scheduler itself.
struct backends_last {
    backends_last() {}
    ~backends_last() {}
};

inline const char * version() {
    return changed::llama_version();
}

// set_load_mode sets how the engine reads a model's file.
inline void set_load_mode(llama_model_params & p, bool mmap) {
    p.load_mode = mmap ? LLAMA_LOAD_MODE_MMAP : LLAMA_LOAD_MODE_NONE;
    p.lazy_mode = LLAMA_LAZY_MODE_OFF;
}

// memory_update executes pending copies and shifts of the context's memory, as each decode does first.
inline bool memory_update(llama_context * ctx) {
    return internal_memory_update && internal_memory_update(ctx, false);
}

inline const tensor_map & tensors_of(const llama_model * model) {
    static const tensor_map none;
    return internal_tensor_map ? internal_tensor_map(model) : none;
}

// free_buffer frees a buffer that is no part of a model or context.
inline void free_buffer(ggml_backend_buffer_t buffer) {
    changed::ggml_backend_buffer_free(buffer);
}

// free_structure is called by functions that free a buffer, at their end. This engine frees the
// structure itself.
inline void free_structure(ggml_backend_buffer_t) {}

// barrier waits until all threads that compute an operation are here.
inline void barrier(struct ggml_threadpool * threads) {
    internal_barrier(threads);
}

// quantizer_q8_K returns the engine's function that quantises to Q8_K on the CPU.
inline quantizer quantizer_q8_K() {
    return internal_quantizer_q8_K;
}

// known_operations returns whether matmul.hpp knows the class of a buffer type's operations: its third and
// fourth virtual function are those. known_operation is the same for one operation.
inline bool known_operations(const void * o) {
    void * const * functions = *(void * const * const *) o;
    return internal_barrier && internal_quantizer_q8_K && internal_supports_op && functions[2] == internal_supports_op && functions[3] == internal_get_operation;
}

inline bool known_operation(const void * o) {
    void * const * functions = *(void * const * const *) o;
    return functions[3] && (functions[3] == internal_compute_q4_0 || functions[3] == internal_compute_q4_K);
}

// forgets_graphs returns whether forget_graph works.
inline bool forgets_graphs() {
    return internal_graph && internal_graph_reset;
}

// forget_graph discards the context's graph, which the engine would use again although its weights were
// bound to other addresses. When adapters change, the engine does that itself.
inline void forget_graph(llama_context * ctx) {
    if (forgets_graphs()) {
        internal_graph_reset(internal_graph(ctx));
    }
}

inline llama_sampler * init_penalties(int32_t n_vocab, int32_t last_n, float repeat, float frequency, float presence) {
    return changed::llama_sampler_init_penalties(n_vocab, last_n, repeat, frequency, presence);
}

inline bool set_adapters(llama_context * ctx, llama_adapter_lora ** adapters, float * scales, size_t n) {
    return changed::llama_set_adapters_lora(ctx, adapters, n, scales) == 0;
}

inline int32_t apply_cvec(llama_context * ctx, const float * data, size_t len, int32_t n_embd, int32_t first, int32_t last) {
    return changed::llama_set_adapter_cvec(ctx, data, len, n_embd, first, last);
}

inline bool chunks_guarded; // a failed assertion while quantising ends the quantiser, on any thread

// quantize_threads returns how many threads may quantise. Types of less than 4 bits fail assertions on
// numbers that they can't represent, which on another thread than the caller's ends the process.
inline int quantize_threads(int n, int ftype) {
    if (chunks_guarded) {
        return n;
    }
    switch (ftype) {
    case LLAMA_FTYPE_ALL_F32:
    case LLAMA_FTYPE_MOSTLY_F16:
    case LLAMA_FTYPE_MOSTLY_BF16:
    case LLAMA_FTYPE_MOSTLY_Q4_0:
    case LLAMA_FTYPE_MOSTLY_Q4_1:
    case LLAMA_FTYPE_MOSTLY_Q5_0:
    case LLAMA_FTYPE_MOSTLY_Q5_1:
    case LLAMA_FTYPE_MOSTLY_Q8_0:
    case LLAMA_FTYPE_MOSTLY_Q4_K_S:
    case LLAMA_FTYPE_MOSTLY_Q4_K_M:
    case LLAMA_FTYPE_MOSTLY_Q5_K_S:
    case LLAMA_FTYPE_MOSTLY_Q5_K_M:
    case LLAMA_FTYPE_MOSTLY_Q6_K:
        return n;
    }
    return 1;
}

inline size_t quantize_chunk(enum ggml_type type, const float * src, void * dst, int64_t rows, int64_t row) {
    return ggml_quantize_chunk(type, src, dst, 0, rows, row, nullptr);
}

// output_path throws if the quantiser can't open a path in UTF-8.
struct output_path {
    explicit output_path([[maybe_unused]] const char * path) {
#ifdef _WIN32
        for (const char * c = path; *c; c++) {
            if ((unsigned char) *c > 127) {
                throw std::runtime_error("the output path is not ASCII, which this engine requires: use another path or another engine");
            }
        }
#endif
    }
    ~output_path() {}
};

} // namespace infer
