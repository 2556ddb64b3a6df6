// Replacements of functions of the engine that allocate too much, leak, or do not report errors.
// The linker redirects calls of them here: see the LDFLAGS in engine.go. The linker of macOS
// cannot; the engine is unchanged there.

#include "buffers.h"
#include "scheduler.h"

#if defined(__linux__) || defined(_WIN32)

#include <cstdlib>

extern "C" {
size_t ggml_hash_size(size_t min_sz);
ggml_backend_sched_t __wrap_ggml_backend_sched_new(ggml_backend_t * backends, ggml_backend_buffer_type_t * bufts, int n_backends, size_t graph_size, bool parallel, bool op_offload);
bool __real_ggml_backend_sched_reserve(ggml_backend_sched_t sched, struct ggml_cgraph * graph);
bool __wrap_ggml_backend_sched_reserve(ggml_backend_sched_t sched, struct ggml_cgraph * graph);
}

namespace {

// take allocates n zeroed elements. ggml_backend_sched_free frees them.
template <typename T> void take(T *& p, size_t n) {
    p = (T *) calloc(n, sizeof(T));
    if (!p) {
        throw std::bad_alloc();
    }
}

int number_of(const char * variable) {
    const char * value = getenv(variable);
    return value ? atoi(value) : 0;
}

// The graph allocator does not check the allocations of its lists, 5 KiB each. So more than that is
// allocated and freed first: afterwards malloc has the memory for the lists.
ggml_gallocr_t new_allocator(infer::scheduler * s) {
    constexpr size_t list = 8 << 10;
    void * trial[2 * infer::sched_max_backends] = {};
    bool refused = false;
    for (int i = 0; i < 2 * s->n_backends; i++) {
        trial[i] = malloc(list);
        refused |= !trial[i];
    }
    for (void * p : trial) {
        free(p);
    }
    if (refused) {
        throw std::bad_alloc();
    }
    return ggml_gallocr_new_n(s->bufts, s->n_backends);
}

constexpr size_t enough = 64 << 10; // for the few tensors that a graph on one backend may copy

// size_of_copies returns the size of the block that holds the scheduler's copies of inputs.
size_t size_of_copies(int n_backends, size_t graph_size) {
    const size_t all = graph_size * infer::sched_max_inputs * 2 * sizeof(ggml_tensor) + ggml_graph_overhead_custom(graph_size, false);
    return n_backends == 1 && all > enough ? enough : all; // the engine asserts that a copy fits
}

void prepare(infer::scheduler * s, ggml_backend_t * backends, ggml_backend_buffer_type_t * bufts, size_t graph_size) {
    for (int b = 0; b < s->n_backends; b++) {
        s->bufts[b] = bufts ? bufts[b] : ggml_backend_get_default_buffer_type(backends[b]);
        if (!ggml_backend_supports_buft(backends[b], s->bufts[b])) {
            throw infer::assert_failure("a backend does not support its buffer type");
        }
        s->bufts[b]->no_alloc = false;
        for (int c = 0; s->n_copies > 1 && c < s->n_copies; c++) {
            s->events[b][c] = ggml_backend_event_new(ggml_backend_get_device(backends[b]));
        }
    }
    s->hash_set.size = ggml_hash_size(graph_size);
    take(s->hash_set.used, (s->hash_set.size + 31) / 32);
    take(s->hash_set.keys, s->hash_set.size);
    take(s->hv_tensor_backend_ids, s->hash_set.size);
    take(s->hv_tensor_copies, s->hash_set.size * s->n_backends * s->n_copies);

    const size_t nodes = graph_size + graph_size * infer::sched_max_inputs * 2; // at most one split per node, with copies of its inputs
    take(s->node_backend_ids, nodes);
    take(s->leaf_backend_ids, nodes);
    take(s->prev_node_backend_ids, nodes);
    take(s->prev_leaf_backend_ids, nodes);

    s->splits_capacity = 16;
    take(s->splits, s->splits_capacity);
    s->context_buffer_size = size_of_copies(s->n_backends, graph_size);
    take(s->context_buffer, s->context_buffer_size);
    s->galloc = new_allocator(s);
}

} // namespace

// The engine's own ggml_backend_sched_new does not check its allocations. It also allocates one
// block for copies of all inputs of all nodes of the largest graph: 20 KiB per node, 20 to 200 MB
// per context, contiguous and charged as commit. Only devices need such copies, so that a context
// on the CPU gets a small block here. All else is as in the engine.
ggml_backend_sched_t __wrap_ggml_backend_sched_new(ggml_backend_t * backends, ggml_backend_buffer_type_t * bufts, int n_backends, size_t graph_size, bool parallel, bool op_offload) {
    if (n_backends < 1 || n_backends > (int) infer::sched_max_backends ||
        ggml_backend_dev_type(ggml_backend_get_device(backends[n_backends - 1])) != GGML_BACKEND_DEVICE_TYPE_CPU) {
        throw infer::assert_failure("a scheduler needs 1 to 16 backends, the CPU as the last one");
    }
    infer::scheduler * s;
    take(s, 1);
    s->debug         = number_of("GGML_SCHED_DEBUG");
    s->debug_realloc = number_of("GGML_SCHED_DEBUG_REALLOC");
    s->n_backends    = n_backends;
    s->n_copies      = parallel ? infer::sched_max_copies : 1;
    s->op_offload    = op_offload;
    s->batch_size    = -1;
    s->alloc_buffers = true;
    for (int b = 0; b < n_backends; b++) {
        s->backends[b] = backends[b];
    }
    ggml_backend_sched_t sched = (ggml_backend_sched_t) s;
    try {
        prepare(s, backends, bufts, graph_size);
    } catch (...) {
        ggml_backend_sched_free(sched);
        throw;
    }
    ggml_backend_sched_reset(sched);
    return sched;
}

bool __wrap_ggml_backend_sched_reserve(ggml_backend_sched_t sched, struct ggml_cgraph * graph) {
    if (!__real_ggml_backend_sched_reserve(sched, graph)) {
        return false;
    }
    infer::measured_work(graph);
    infer::measured_graph(graph); // its tensors have addresses until the next graph is built
    return true;
}

#endif
