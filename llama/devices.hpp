// Memory of devices. The buffer types of devices are replaced as those of the CPU are: during a scope,
// Go admits each buffer and is told of its end, and buffers have at most the size of a block where the
// engine can split. Weights of an unbound model get their memory later, by infer_weights_place. What
// the engine would take of a device's page-locked host memory is taken from Go, as all host memory.

#include "weights.h"
#include "shim_system.h"

#include <algorithm>
#include <unordered_map>

extern "C" {
bool goInferDeviceAlloc(uintptr_t home, char * device, size_t size, int purpose);
void goInferDeviceRefused(uintptr_t home, char * device, size_t size);
void goInferDeviceTag(uintptr_t home, char * device, size_t size, int from, int to);
void goInferDeviceFree(uintptr_t home, char * device, size_t size, int purpose);
}

namespace infer {

namespace {

struct device_type {
    ggml_backend_buffer_type_t type;
    ggml_backend_buffer_type_i iface; // the engine's own functions
    const char *               device;
    bool                       host; // of host memory
};

// The types are added to and never removed: other threads read those that are counted.
constexpr size_t     most_device_types = 64;
device_type          device_types[most_device_types];
std::atomic<size_t>  n_device_types{0};

const device_type * device_of(ggml_backend_buffer_type_t type) {
    for (size_t i = 0, n = n_device_types; i < n; i++) {
        if (device_types[i].type == type) {
            return &device_types[i];
        }
    }
    return nullptr;
}

// device_block is a buffer in a device's memory that Go has admitted.
struct device_block {
    uintptr_t    home;
    const char * device;
    int          purpose;
    void (*free)(ggml_backend_buffer_t);
};

std::mutex                                               device_mutex;
std::unordered_map<ggml_backend_buffer_t, device_block> device_blocks;

void device_free(ggml_backend_buffer_t buffer) {
    if (scope * s = active()) {
        std::replace(s->fresh.begin(), s->fresh.end(), buffer, (ggml_backend_buffer_t) nullptr);
    }
    device_block b;
    {
        std::lock_guard<std::mutex> lock(device_mutex);
        const auto found = device_blocks.find(buffer);
        b = found->second;
        device_blocks.erase(found);
    }
    const size_t size = buffer->size;
    b.free(buffer);
    goInferDeviceFree(b.home, const_cast<char *>(b.device), size, b.purpose);
}

// device_new allocates a buffer of the active scope. It returns nullptr if Go or the device refuses.
ggml_backend_buffer_t device_new(const device_type & d, size_t size) {
    const infer_scope & from = active()->from;
    const int purpose = from.purpose == INFER_PURPOSE_WEIGHTS ? INFER_PURPOSE_WEIGHTS : INFER_PURPOSE_COMPUTE;
    char * name = const_cast<char *>(d.device);
    if (!goInferDeviceAlloc(from.home, name, size, purpose)) {
        return nullptr;
    }
    ggml_backend_buffer_t buffer = nullptr;
    try {
        buffer = d.iface.alloc_buffer(d.type, size);
    } catch (const std::exception &) { // of a driver's C++ interface
    }
    if (!buffer) {
        goInferDeviceFree(from.home, name, size, purpose);
        goInferDeviceRefused(from.home, name, size);
        return nullptr;
    }
    {
        std::lock_guard<std::mutex> lock(device_mutex);
        device_blocks[buffer] = {from.home, d.device, purpose, buffer->iface.free_buffer};
    }
    buffer->iface.free_buffer = device_free;
    active()->fresh.push_back(buffer);
    return buffer;
}

ggml_backend_buffer_t device_alloc(ggml_backend_buffer_type_t type, size_t size) {
    const device_type & d = *device_of(type);
    const scope * s = active();
    if (s && s->record) {
        return d.host ? unbound_new(type, size) : unbound_on_device(type, size);
    }
    if (!s || !s->from.home) {
        return d.iface.alloc_buffer(type, size);
    }
    if (d.host) {
        return block_new(type, size);
    }
    return s->from.measure ? block_measured(type, size, d.device) : device_new(d, size);
}

size_t device_max_size(ggml_backend_buffer_type_t type) {
    const device_type & d = *device_of(type);
    const size_t own = d.iface.get_max_size ? d.iface.get_max_size(type) : SIZE_MAX;
    const scope * s = active();
    return s && s->from.home && !s->record ? std::min(own, s->from.max_block) : own;
}

bool device_is_host(ggml_backend_buffer_type_t type) {
    // While it reads an unbound model, the engine would otherwise copy what it reads to the device.
    if (reads_unbound()) {
        return true;
    }
    const device_type & d = *device_of(type);
    return d.iface.is_host && d.iface.is_host(type);
}

void install_device_type(ggml_backend_buffer_type_t type, const char * device, bool host) {
    const size_t n = n_device_types;
    if (!type || type == ggml_backend_cpu_buffer_type() || device_of(type) || n == most_device_types) {
        return;
    }
    device_types[n] = {type, type->iface, device, host};
    n_device_types = n + 1;
    type->iface.alloc_buffer = device_alloc;
    type->iface.get_max_size = device_max_size;
    type->iface.is_host      = device_is_host;
}

ggml_backend_dev_t device_named(const char * name) {
    for (size_t i = 0; i < ggml_backend_dev_count(); i++) {
        if (strcmp(ggml_backend_dev_name(ggml_backend_dev_get(i)), name) == 0) {
            return ggml_backend_dev_get(i);
        }
    }
    throw std::runtime_error(std::string("there is no device ") + name);
}

} // namespace

void install_device_types() {
    for (size_t i = 0; i < ggml_backend_dev_count(); i++) {
        ggml_backend_dev_t dev = ggml_backend_dev_get(i);
        const auto type = ggml_backend_dev_type(dev);
        if (type != GGML_BACKEND_DEVICE_TYPE_GPU && type != GGML_BACKEND_DEVICE_TYPE_IGPU) {
            continue;
        }
        install_device_type(ggml_backend_dev_buffer_type(dev), ggml_backend_dev_name(dev), false);
        install_device_type(ggml_backend_dev_host_buffer_type(dev), ggml_backend_dev_name(dev), true);
    }
}

bool device_tell(ggml_backend_buffer_t buffer, int purpose) {
    if (buffer->iface.free_buffer != device_free) {
        return false;
    }
    if (buffer->usage == GGML_BACKEND_BUFFER_USAGE_COMPUTE) {
        purpose = INFER_PURPOSE_COMPUTE;
    } else if (purpose != INFER_PURPOSE_WEIGHTS) {
        purpose = INFER_PURPOSE_KV;
    }
    std::lock_guard<std::mutex> lock(device_mutex);
    device_block & b = device_blocks[buffer];
    if (b.purpose != purpose) {
        goInferDeviceTag(b.home, const_cast<char *>(b.device), buffer->size, b.purpose, purpose);
        b.purpose = purpose;
    }
    return true;
}

const char * device_name(ggml_backend_buffer_type_t type) {
    if (const device_type * d = device_of(type)) {
        return d->device;
    }
    ggml_backend_dev_t dev = ggml_backend_buft_get_device(type);
    return dev ? ggml_backend_dev_name(dev) : ggml_backend_buft_name(type);
}

bool splits_uploads(const ggml_tensor * t) {
    return device_of(t->buffer->buft); // others may be split over devices by rows
}

size_t alloc_size(const ggml_tensor * t) {
    ggml_backend_buffer_type_t type = t->buffer->buft;
    return type->iface.get_alloc_size ? type->iface.get_alloc_size(type, t) : ggml_nbytes(t);
}

ggml_backend_buffer_type_t override_type(const char * device) {
    return strcmp(device, "CPU") == 0 ? ggml_backend_cpu_buffer_type() : ggml_backend_dev_buffer_type(device_named(device));
}

namespace {

// place allocates one buffer for some tensors of a type, and gives them their addresses.
void place(infer_weights * w, ggml_backend_buffer_type_t type, const std::vector<ggml_tensor *> & tensors, size_t size, size_t alignment) {
    ggml_backend_buffer_t buffer = type->iface.alloc_buffer(type, size);
    if (!buffer) {
        throw std::bad_alloc();
    }
    w->moved.push_back(buffer);
    buffer->usage = GGML_BACKEND_BUFFER_USAGE_WEIGHTS;
    char * at = (char *) buffer->iface.get_base(buffer);
    at += (alignment - (uintptr_t) at % alignment) % alignment;
    for (ggml_tensor * t : tensors) {
        const size_t n = alloc_size(t);
        t->buffer = buffer;
        t->data   = at;
        if (buffer->iface.init_tensor && buffer->iface.init_tensor(buffer, t) != GGML_STATUS_SUCCESS) {
            throw std::bad_alloc();
        }
        at += (n + alignment - 1) / alignment * alignment;
    }
}

void place_type(infer_weights * w, ggml_backend_buffer_type_t type) {
    const size_t alignment = ggml_backend_buft_get_alignment(type), most = ggml_backend_buft_get_max_size(type);
    std::vector<ggml_tensor *> tensors;
    size_t size = 0;
    for (recorded & r : w->tensors) {
        if (!is_unplaced(r.tensor) || r.tensor->buffer->buft != type) {
            continue;
        }
        const size_t n = (alloc_size(r.tensor) + alignment - 1) / alignment * alignment;
        if (!tensors.empty() && n > most - std::min(most, size)) {
            place(w, type, tensors, size, alignment);
            tensors.clear();
            size = 0;
        }
        tensors.push_back(r.tensor);
        size += n;
    }
    if (!tensors.empty()) {
        place(w, type, tensors, size, alignment);
    }
}

} // namespace

} // namespace infer

bool infer_weights_place(infer_weights * w, infer_scope scope, infer_error * err) {
    return infer::guarded(err, false, [&] {
        infer::scope_guard in(scope);
        for (recorded & r : w->tensors) {
            if (infer::is_unplaced(r.tensor)) {
                infer::place_type(w, r.tensor->buffer->buft);
            }
        }
        return true;
    });
}

void infer_devices_changed(void) {
    infer::install_device_types();
}

size_t infer_device_largest(size_t device) {
    ggml_backend_buffer_type_t type = ggml_backend_dev_buffer_type(ggml_backend_dev_get(device));
    return type ? ggml_backend_buft_get_max_size(type) : SIZE_MAX;
}
