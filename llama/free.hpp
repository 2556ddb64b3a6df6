// Fixes for two bugs in how the engine frees memory: a leak, and a use after free. The linker
// redirects the engine's calls here: see the LDFLAGS in engine.go. The linker of macOS cannot, so
// the engine is unchanged there.

#include "guard.h"

#include <vector>

namespace infer {

// backends_last delays the engine's freeing of backends to its own destructor: the engine frees the
// scheduler after the backends, and the scheduler still refers to them.
class backends_last {
public:
    backends_last();
    ~backends_last();
    backends_last(const backends_last &) = delete;
    backends_last & operator=(const backends_last &) = delete;
};

} // namespace infer

#if defined(__linux__) || defined(_WIN32)

extern "C" {
void __real_ggml_backend_buffer_free(ggml_backend_buffer_t buffer);
void __wrap_ggml_backend_buffer_free(ggml_backend_buffer_t buffer);
void __real_ggml_backend_free(ggml_backend_t backend);
void __wrap_ggml_backend_free(ggml_backend_t backend);
}

// The engine leaks the structure of each buffer that has no free function: about 100 bytes for each
// tensor of a model that it loads.
void __wrap_ggml_backend_buffer_free(ggml_backend_buffer_t buffer) {
    if (buffer && !buffer->iface.free_buffer) {
        delete buffer; // ggml_backend_buffer_init allocated it; free functions delete theirs
        return;
    }
    __real_ggml_backend_buffer_free(buffer);
}

namespace {

thread_local std::vector<ggml_backend_t> * late = nullptr;

} // namespace

void __wrap_ggml_backend_free(ggml_backend_t backend) {
    if (late) {
        late->push_back(backend);
    } else {
        __real_ggml_backend_free(backend);
    }
}

infer::backends_last::backends_last() {
    late = new std::vector<ggml_backend_t>;
    late->reserve(64); // more backends than there are, so that freeing needs no memory
}

infer::backends_last::~backends_last() {
    std::vector<ggml_backend_t> * list = late;
    late = nullptr;
    for (ggml_backend_t backend : *list) {
        __real_ggml_backend_free(backend);
    }
    delete list;
}

#else

infer::backends_last::backends_last() {}
infer::backends_last::~backends_last() {}

#endif
