// What differs between engines, for the compiled-in one: abi_builtin.h.

#include "buffers.h"

namespace infer {

inline const char * version() {
    return "";
}

// set_load_mode sets how the engine reads a model's file.
inline void set_load_mode(llama_model_params & p, bool mmap) {
    p.use_mmap = mmap;
}

// memory_update executes pending copies and shifts of the context's memory, as each decode does first.
inline bool memory_update(llama_context * ctx) {
    return ctx->memory_update(false);
}

inline const std::vector<std::pair<std::string, ggml_tensor *>> & tensors_of(const llama_model * model) {
    return llama_internal_get_tensor_map(model);
}

// free_buffer frees a buffer that is no part of a model or context. Its functions free the structure.
inline void free_buffer(ggml_backend_buffer_t buffer) {
    buffer->iface.free_buffer(buffer);
}

// free_structure is called by functions that free a buffer, at their end.
inline void free_structure(ggml_backend_buffer_t buffer) {
    delete buffer; // ggml_backend_buffer_init allocated it
}

// barrier waits until all threads that compute an operation are here.
inline void barrier(struct ggml_threadpool * threads) {
    ggml_barrier(threads);
}

// quantizer_q8_K returns the engine's function that quantises to Q8_K on the CPU.
inline quantizer quantizer_q8_K() {
    return quantize_row_q8_K;
}

// known_operations returns whether matmul.hpp knows the class of a buffer type's operations, and
// known_operation that of one of them.
inline bool known_operations(const void *) {
    return true;
}

inline bool known_operation(const void *) {
    return true;
}

// forgets_graphs returns whether forget_graph works.
inline bool forgets_graphs() {
    return true;
}

// The engine uses a graph again if the next batch has the same shape, even if adapters were set or
// removed since. A new adapter would have no effect, and the graph could refer to one that has been
// freed. The graph is a private member of the context. It is found as the member before the one
// that get_gf_res_reserve returns. forget_graph discards it, so that the next evaluation builds a new
// one. It must be called after adapters have been removed and before they are freed.
inline void forget_graph(llama_context * ctx) {
    llm_graph_result * reserve = ctx->get_gf_res_reserve();
    llm_graph_result ** member = (llm_graph_result **) ctx;
    while (*member != reserve) {
        member++;
    }
    member[-1]->reset();
}

inline llama_sampler * init_penalties(int32_t, int32_t last_n, float repeat, float frequency, float presence) {
    return llama_sampler_init_penalties(last_n, repeat, frequency, presence);
}

inline bool set_adapters(llama_context * ctx, llama_adapter_lora ** adapters, float * scales, size_t n) {
    llama_clear_adapter_lora(ctx);
    for (size_t i = 0; i < n; i++) {
        if (llama_set_adapter_lora(ctx, adapters[i], scales[i]) != 0) {
            return false;
        }
    }
    return true;
}

inline int32_t apply_cvec(llama_context * ctx, const float * data, size_t len, int32_t n_embd, int32_t first, int32_t last) {
    return llama_apply_adapter_cvec(ctx, data, len, n_embd, first, last);
}

} // namespace infer

// The quantiser calls ggml_quantize_chunk on several threads, where an exception would end the
// process. It fails an assertion on numbers that some types cannot represent. The linker redirects
// the calls here, except on macOS.
#if defined(__linux__) || defined(_WIN32)
extern "C" size_t __real_ggml_quantize_chunk(enum ggml_type type, const float * src, void * dst, int64_t start, int64_t nrows, int64_t n_per_row, const float * imatrix);
extern "C" size_t __wrap_ggml_quantize_chunk(enum ggml_type type, const float * src, void * dst, int64_t start, int64_t nrows, int64_t n_per_row, const float * imatrix);

size_t __wrap_ggml_quantize_chunk(enum ggml_type type, const float * src, void * dst, int64_t start, int64_t nrows, int64_t n_per_row, const float * imatrix) {
    return infer::guarded_chunk([&] { return __real_ggml_quantize_chunk(type, src, dst, start, nrows, n_per_row, imatrix); });
}
#else
#define __real_ggml_quantize_chunk ggml_quantize_chunk
#endif

namespace infer {

// quantize_threads returns how many threads may quantise.
inline int quantize_threads(int n, int) {
    return n;
}

inline size_t quantize_chunk(enum ggml_type type, const float * src, void * dst, int64_t rows, int64_t row) {
    return __real_ggml_quantize_chunk(type, src, dst, 0, rows, row, nullptr);
}

// output_path lets the quantiser on this thread open a path in UTF-8. It throws if it can't.
class output_path {
public:
    explicit output_path(const char * path);
    ~output_path();
};

} // namespace infer

// The quantiser opens its output by std::ofstream, which on Windows expects a path in the system's
// code page. Paths of this package are UTF-8, so the linker redirects std::filebuf::open here. Only
// threads that quantise are affected.
#ifdef _WIN32
static thread_local bool utf8_paths = false;

#ifdef __GLIBCXX__
#define OPEN(prefix) prefix##_ZNSt13basic_filebufIcSt11char_traitsIcEE4openEPKcSt13_Ios_Openmode

extern "C" std::filebuf * OPEN(__real_)(std::filebuf * file, const char * path, std::ios_base::openmode mode);
extern "C" std::filebuf * OPEN(__wrap_)(std::filebuf * file, const char * path, std::ios_base::openmode mode);

std::filebuf * OPEN(__wrap_)(std::filebuf * file, const char * path, std::ios_base::openmode mode) {
    if (!utf8_paths) {
        return OPEN(__real_)(file, path, mode);
    }
    const int n = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, nullptr, 0);
    std::wstring wide(n, 0);
    if (n == 0 || MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, &wide[0], n) == 0) {
        return nullptr;
    }
    return file->open(wide.c_str(), mode);
}

infer::output_path::output_path(const char *) { utf8_paths = true; }
infer::output_path::~output_path() { utf8_paths = false; }
#else
infer::output_path::output_path(const char * path) {
    for (const char * c = path; *c; c++) {
        if ((unsigned char) *c > 127) {
            throw std::runtime_error("the output path is not ASCII, which the C++ library of this build requires: use another path, or build with GCC");
        }
    }
}
infer::output_path::~output_path() {}
#endif
#else
infer::output_path::output_path(const char *) {}
infer::output_path::~output_path() {}
#endif
