// Buffers whose memory comes from Go, one block each.

#include "buffers.h"

#include <algorithm>

extern "C" {
void * goInferAlloc(uintptr_t home, size_t size);
void   goInferFree(uintptr_t home, void * data);
void   goInferTag(uintptr_t home, void * data, int purpose);
void   goInferMeasured(uintptr_t home, size_t size, size_t used, int purpose, char * device, char * first, char * last);
}

namespace infer {

static void block_free(ggml_backend_buffer_t buffer) {
    block * b = (block *) buffer->context;
    if (scope * s = active()) { // a call that fails frees blocks that it has just allocated
        std::replace(s->fresh.begin(), s->fresh.end(), buffer, (ggml_backend_buffer_t) nullptr);
    }
    if (!b->measured) {
        goInferFree(b->home, b->data);
    }
    delete b;
    free_structure(buffer);
}

static void * block_base(ggml_backend_buffer_t buffer) {
    return ((block *) buffer->context)->data;
}

static void block_clear(ggml_backend_buffer_t buffer, uint8_t value) {
    block * b = (block *) buffer->context;
    const bool zero = value == 0 && !b->cleared && !b->tagged;
    b->cleared = true;
    if (!zero && !b->measured) { // a new block is zero already: its pages are not touched
        memset(b->data, value, buffer->size);
    }
}

static enum ggml_status block_init(ggml_backend_buffer_t buffer, ggml_tensor *) {
    ((block *) buffer->context)->tensors = true;
    return GGML_STATUS_SUCCESS;
}

ggml_backend_buffer_t block_new(ggml_backend_buffer_type_t type, size_t size) {
    const uintptr_t home    = active()->from.home;
    const bool      measure = active()->from.measure;
    void * data = measure ? (void *) measured_base : goInferAlloc(home, size);
    if (!data) {
        return nullptr;
    }
    ggml_backend_buffer_i iface = engine_buffer();
    iface.init_tensor = measure ? measured_init : block_init;
    iface.free_buffer = block_free;
    iface.get_base    = block_base;
    iface.clear       = block_clear;
    ggml_backend_buffer_t buffer = ggml_backend_buffer_init(type, iface, new block{home, data}, size);
    ((block *) buffer->context)->measured = measure;
    active()->fresh.push_back(buffer);
    return buffer;
}

ggml_backend_buffer_t block_measured(ggml_backend_buffer_type_t type, size_t size, const char * device) {
    ggml_backend_buffer_i iface = {};
    iface.free_buffer   = block_free;
    iface.get_base      = block_base;
    iface.init_tensor   = measured_init;
    iface.set_tensor    = [](ggml_backend_buffer_t, ggml_tensor *, const void *, size_t, size_t) {};
    iface.memset_tensor = [](ggml_backend_buffer_t, ggml_tensor *, uint8_t, size_t, size_t) {};
    iface.clear         = block_clear;
    block * b = new block{active()->from.home, (void *) measured_base};
    b->measured = true;
    b->device   = device;
    ggml_backend_buffer_t buffer = ggml_backend_buffer_init(type, iface, b, size);
    active()->fresh.push_back(buffer);
    return buffer;
}

void block_tell(ggml_backend_buffer_t buffer, int purpose) {
    block * b = (block *) buffer->context;
    b->tagged = true;
    if (buffer->usage == GGML_BACKEND_BUFFER_USAGE_COMPUTE) {
        purpose = INFER_PURPOSE_COMPUTE;
    } else if (b->cleared && b->tensors && purpose != INFER_PURPOSE_WEIGHTS) { // control vectors are weights, and cleared too
        purpose = INFER_PURPOSE_KV;
    }
    if (b->measured) {
        goInferMeasured(b->home, buffer->size, std::min(b->used, buffer->size), purpose, const_cast<char *>(b->device ? b->device : ""), const_cast<char *>(b->first.c_str()), const_cast<char *>(b->last.c_str()));
    } else {
        buffer->iface.init_tensor = engine_buffer().init_tensor; // not for each tensor of each graph
        goInferTag(b->home, b->data, purpose);
    }
}

} // namespace infer
