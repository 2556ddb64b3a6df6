// Functions of the engine that it calls through tables of imports, and that are replaced there, as
// wrap.hpp and read.hpp replace those of the compiled-in engine. Where they are not found, the engine is
// unchanged: it reads the weights of an unbound model, plans lack its work buffers and count whole
// compute buffers, and files are quantised on one thread to types whose assertions may fail.

extern "C" void goInferUnused(uintptr_t home, size_t size);

namespace infer {

namespace {

void (*read_raw)(void * file, void * dst, size_t size);
ggml_backend_sched_t (*sched_new)(ggml_backend_t * backends, ggml_backend_buffer_type_t * bufts, int n_backends, size_t graph_size, bool parallel, bool op_offload);
bool (*sched_reserve)(ggml_backend_sched_t sched, ggml_cgraph * graph);
bool (*sched_alloc)(ggml_backend_sched_t sched, ggml_cgraph * graph);
int (*sched_backends)(ggml_backend_sched_t sched);
size_t (*chunk)(enum ggml_type type, const float * src, void * dst, int64_t start, int64_t rows, int64_t row, const float * imatrix);

void read_unless_unbound(void * file, void * dst, size_t size) {
    if (!reads_unbound()) {
        read_raw(file, dst, size);
    }
}

bool measures() {
    const scope * s = active();
    return s && s->from.measure;
}

// A scheduler has one block for copies of all inputs of all nodes. A context on the CPU copies none.
ggml_backend_sched_t new_and_measure(ggml_backend_t * backends, ggml_backend_buffer_type_t * bufts, int n_backends, size_t graph_size, bool parallel, bool op_offload) {
    constexpr size_t inputs = 30; // of a split
    if (measures() && n_backends == 1) {
        goInferUnused(active()->from.home, graph_size * inputs * 2 * sizeof(ggml_tensor));
    }
    return sched_new(backends, bufts, n_backends, graph_size, parallel, op_offload);
}

bool reserve_and_measure(ggml_backend_sched_t sched, ggml_cgraph * graph) {
    if (!sched_reserve(sched, graph)) {
        return false;
    }
    measured_work(graph);
    // The engine has reserved memory, and its tensors have no addresses yet. With several backends a graph
    // can be split only once.
    if (measures() && sched_alloc && sched_backends && sched_backends(sched) == 1) {
        if (sched_alloc(sched, graph)) {
            measured_graph(graph);
        }
        ggml_backend_sched_reset(sched);
    }
    return true;
}

size_t quantize_or_end(enum ggml_type type, const float * src, void * dst, int64_t start, int64_t rows, int64_t row, const float * imatrix) {
    return guarded_chunk([&] { return chunk(type, src, dst, start, rows, row, imatrix); });
}

// replace redirects the calls that a library makes. found is the function itself.
template <typename F> bool replace(const void * in_library, const char * name, F replacement, F & before, F found) {
    before = found;
    return found && redirect(in_library, name, (void *) replacement);
}

} // namespace

// redirect_all replaces what can be replaced. find returns a function of the engine's libraries.
void redirect_all(void * (*find)(const char * name)) {
    const void * llama = (const void *) llama_decode;
    const char * read  = "_ZN10llama_file8read_rawEPvm";
    replace(llama, read, read_unless_unbound, read_raw, (decltype(read_raw)) find(read));
    sched_alloc    = (decltype(sched_alloc)) find("ggml_backend_sched_alloc_graph");
    sched_backends = (decltype(sched_backends)) find("ggml_backend_sched_get_n_backends");
    replace(llama, "ggml_backend_sched_new", new_and_measure, sched_new, ggml_backend_sched_new);
    replace(llama, "ggml_backend_sched_reserve", reserve_and_measure, sched_reserve, (decltype(sched_reserve)) find("ggml_backend_sched_reserve"));
    chunks_guarded = replace(llama, "ggml_quantize_chunk", quantize_or_end, chunk, ggml_quantize_chunk);
}

} // namespace infer
