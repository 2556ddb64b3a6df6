// Two ways in which the engine frees what it should not, or not what it should. The
// linker leads its calls here: see the LDFLAGS in engine.go. (On macOS, where it can't,
// the engine stays as it is.)

#include "guard.h"

#include <vector>

#if defined(__linux__) || defined(_WIN32)

extern "C" {
void __real_ggml_backend_buffer_free(ggml_backend_buffer_t buffer);
void __wrap_ggml_backend_buffer_free(ggml_backend_buffer_t buffer);
void __real_ggml_backend_free(ggml_backend_t backend);
void __wrap_ggml_backend_free(ggml_backend_t backend);
}

// The engine loses the structure of every buffer that has no function to free it: one
// for each tensor that it looks at while it loads a model, about 100 bytes each.
void __wrap_ggml_backend_buffer_free(ggml_backend_buffer_t buffer) {
    if (buffer && !buffer->iface.free_buffer) {
        delete buffer; // of ggml_backend_buffer_init; the others delete themselves
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
    late->reserve(64); // devices: more would allocate, and could fail, while freeing
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
