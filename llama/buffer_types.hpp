// The engine's buffer types. ggml's CPU buffer type and the types that repack weights are static
// structures of function pointers. Some of the functions are replaced here: during a scope, blocks
// come from Go; outside of scopes, the engine's own functions are called.

#include "buffers.h"
#include "shim_system.h"

namespace infer {

namespace {

// The engine's own functions.
ggml_backend_buffer_type_i cpu_type;   // of the CPU buffer type
ggml_backend_buffer_i      cpu_buffer; // of CPU buffers

struct repack_type {
    ggml_backend_buffer_type_t type;
    ggml_backend_buffer_type_i iface;
    ggml_backend_buffer_i      buffer; // functions of its buffers, if it allocates them itself
};
std::vector<repack_type> repack_types;

const repack_type & repack_of(ggml_backend_buffer_type_t type) {
    for (const auto & r : repack_types) {
        if (r.type == type) {
            return r;
        }
    }
    return repack_types.front();
}

// --- the CPU buffer type

ggml_backend_buffer_t cpu_alloc(ggml_backend_buffer_type_t type, size_t size) {
    const scope * s = active();
    if (s && s->record) {
        return unbound_new(type, size);
    }
    if (s && s->from.home) {
        return block_new(type, size);
    }
    return cpu_type.alloc_buffer(type, size);
}

// max_size replaces get_max_size of all types.
size_t max_size(ggml_backend_buffer_type_t) {
    const scope * s = active();
    return s && s->from.home && !s->record ? s->from.max_block : SIZE_MAX;
}

// --- the buffer types that repack

bool repack_is_host(ggml_backend_buffer_type_t type) {
    // The engine reads directly into host buffers; for others it allocates a staging block of the
    // tensor's size. It has chosen the tensors' buffer types before it reads, so that the answer
    // has no other effect.
    if (reads_unbound()) {
        return true;
    }
    const repack_type & r = repack_of(type);
    return r.iface.is_host && r.iface.is_host(type);
}

} // namespace

ggml_backend_buffer_t repack_alloc(ggml_backend_buffer_type_t type, size_t size) {
    const scope *       s = active();
    const repack_type & r = repack_of(type);
    if (!type->iface.get_alloc_size || !s || (!s->record && !s->from.home)) {
        ggml_backend_buffer_t buffer = r.iface.alloc_buffer(type, size);
        if (buffer && s && s->record) { // alloc_buffer called cpu_alloc, which made an unbound buffer
            unbound_repacks(buffer, buffer->iface.init_tensor, buffer->iface.set_tensor);
        }
        return buffer;
    }
    ggml_backend_buffer_t buffer = s->record ? unbound_new(type, size) : block_new(type, size);
    if (buffer && s->record) {
        unbound_repacks(buffer, r.buffer.init_tensor, r.buffer.set_tensor);
    } else if (buffer) {
        buffer->iface.init_tensor   = r.buffer.init_tensor;
        buffer->iface.memset_tensor = r.buffer.memset_tensor;
        buffer->iface.set_tensor    = r.buffer.set_tensor;
        buffer->iface.get_tensor    = r.buffer.get_tensor;
        buffer->iface.cpy_tensor    = r.buffer.cpy_tensor;
    }
    return buffer;
}

const ggml_backend_buffer_i & engine_buffer() {
    return cpu_buffer;
}

void install_buffer_types() {
    ggml_backend_buffer_type_t cpu = ggml_backend_cpu_buffer_type();
    cpu_type = cpu->iface;
    ggml_backend_buffer_t sample = cpu_type.alloc_buffer(cpu, 1);
    if (!sample) {
        return; // no memory: the engine stays unchanged
    }
    cpu_buffer = sample->iface;
    free_buffer(sample);
    cpu->iface.alloc_buffer = cpu_alloc;
    cpu->iface.get_max_size = max_size;

    // The buffer type of mapped weights. The engine allocates adapters for such weights from it.
    alignas(64) static char mapped[64];
    ggml_backend_buffer_t of_ptr = ggml_backend_cpu_buffer_from_ptr(mapped, sizeof mapped);
    if (of_ptr) {
        of_ptr->buft->iface.alloc_buffer = cpu_alloc;
        of_ptr->buft->iface.get_max_size = max_size;
        free_buffer(of_ptr);
    }

    ggml_backend_dev_t dev = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    if (!dev) {
        return;
    }
    auto extra = (ggml_backend_dev_get_extra_bufts_t) ggml_backend_reg_get_proc_address(
        ggml_backend_dev_backend_reg(dev), "ggml_backend_dev_get_extra_bufts");
    if (!extra) {
        return;
    }
    // Types with layouts of sizes of their own are taken off the engine's list, so that it chooses another
    // for their tensors. AMX stays: weights.hpp knows which tensors it converts right.
    ggml_backend_buffer_type_t * kept = extra(dev);
    for (ggml_backend_buffer_type_t * t = kept; t && *t; t++) {
        repack_type r = {*t, (*t)->iface, {}};
        if (r.iface.get_alloc_size) {
            ggml_backend_buffer_t one = strcmp(r.iface.get_name(*t), "AMX") == 0 ? r.iface.alloc_buffer(*t, 64) : nullptr;
            if (!one) {
                continue;
            }
            r.buffer = one->iface;
            free_buffer(one);
        }
        use_kernels(*t);
        *kept++ = *t;
        repack_types.push_back(r);
        (*t)->iface.alloc_buffer = repack_alloc;
        (*t)->iface.get_max_size = max_size;
        (*t)->iface.is_host      = repack_is_host;
    }
    if (kept) {
        *kept = nullptr;
    }
}

} // namespace infer

size_t infer_repack_types(void) {
    return infer::repack_types.size();
}

const char * infer_repack_type(size_t i) {
    ggml_backend_buffer_type_t type = infer::repack_types[i].type;
    return type->iface.get_name(type);
}
