// Functions of the engine that would take too much, never give back, or do not tell. The linker
// leads calls of them here: see the LDFLAGS in engine.go. On macOS, where it can't, the
// engine stays as it is.

#include "guard.h"
#include "shim.h"

#if defined(__linux__) || defined(_WIN32)

#include <cstdlib>
#include <malloc.h>
#include <new>

#ifdef _WIN32
#define malloc_usable_size _msize
#endif

extern "C" {
ggml_backend_sched_t __real_ggml_backend_sched_new(ggml_backend_t * backends, ggml_backend_buffer_type_t * bufts, int n_backends, size_t graph_size, bool parallel, bool op_offload);
ggml_backend_sched_t __wrap_ggml_backend_sched_new(ggml_backend_t * backends, ggml_backend_buffer_type_t * bufts, int n_backends, size_t graph_size, bool parallel, bool op_offload);
bool __real_ggml_backend_sched_reserve(ggml_backend_sched_t sched, struct ggml_cgraph * graph);
bool __wrap_ggml_backend_sched_reserve(ggml_backend_sched_t sched, struct ggml_cgraph * graph);
void * __real_malloc(size_t size);
void * __wrap_malloc(size_t size);
void * __real_calloc(size_t n, size_t size);
void * __wrap_calloc(size_t n, size_t size);
}

namespace {

constexpr size_t enough = 64 << 10; // for the few tensors that a graph on one backend may copy

struct large_block {
    size_t size; // that the scheduler is about to ask for; 0: none
    void * given;
};
thread_local large_block expected = {0, nullptr};

// The scheduler does not look at what it gets while it is made.
thread_local bool unchecked = false;
void * checked(void * p) {
    if (!p && unchecked) {
        throw std::bad_alloc();
    }
    return p;
}

// The sizes that ggml_backend_sched_new adds up. Where they are not those of this
// engine, malloc meets no request of that size, and nothing changes.
size_t size_of_copies(size_t graph_size) {
    constexpr size_t inputs_of_split = 30;
    const size_t tensor = sizeof(struct ggml_tensor);
    return graph_size * inputs_of_split * 2 * tensor + ggml_graph_overhead_custom(graph_size, false);
}

// size_field finds where a scheduler keeps the size of the block: behind its address.
size_t * size_field(ggml_backend_sched_t sched, const large_block & b) {
    const size_t words = malloc_usable_size(sched) / sizeof(void *);
    void ** word = (void **) sched;
    for (size_t i = 0; i + 1 < words; i++) {
        if (word[i] == b.given && (size_t) word[i + 1] == b.size) {
            return (size_t *) &word[i + 1];
        }
    }
    return nullptr;
}

} // namespace

// The scheduler of a context takes, in one block, room for a copy of every input of
// every node of the largest graph: 20 KiB a node, 20 to 200 MB a context, charged as
// commit and contiguous. Only devices need copies; a context on the CPU alone uses
// none of it, and is given little.

void * __wrap_malloc(size_t size) {
    if (expected.size == 0 || size != expected.size || expected.given) {
        return checked(__real_malloc(size));
    }
    return expected.given = checked(__real_malloc(enough));
}

void * __wrap_calloc(size_t n, size_t size) {
    return checked(__real_calloc(n, size));
}

ggml_backend_sched_t __wrap_ggml_backend_sched_new(ggml_backend_t * backends, ggml_backend_buffer_type_t * bufts, int n_backends, size_t graph_size, bool parallel, bool op_offload) {
    const size_t size = size_of_copies(graph_size);
    if (n_backends == 1 && size > enough) {
        expected = {size, nullptr};
    }
    ggml_backend_sched_t sched = nullptr;
    unchecked = true;
    try {
        sched = __real_ggml_backend_sched_new(backends, bufts, n_backends, graph_size, parallel, op_offload);
    } catch (...) { // with some hundred KiB of a scheduler left behind
        unchecked = false;
        expected = {0, nullptr};
        throw;
    }
    unchecked = false;
    const large_block got = expected;
    expected = {0, nullptr};
    if (!got.given) {
        return sched;
    }
    if (size_t * field = size_field(sched, got)) {
        *field = enough; // what does not fit is a failed check, not an overrun
        return sched;
    }
    ggml_backend_sched_free(sched);
    return __real_ggml_backend_sched_new(backends, bufts, n_backends, graph_size, parallel, op_offload);
}

bool __wrap_ggml_backend_sched_reserve(ggml_backend_sched_t sched, struct ggml_cgraph * graph) {
    if (!__real_ggml_backend_sched_reserve(sched, graph)) {
        return false;
    }
    infer::measured_graph(graph); // has its addresses, until the next one is built
    return true;
}

#endif
