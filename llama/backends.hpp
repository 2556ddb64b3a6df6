// Tests whether libraries of backends were built with the structs of this engine. The engine compares
// one number, its API version, which stays the same when structs change, and then computes with
// pointers at wrong places.

#include "guard.h"
#include "layout.h"
#include "library.h"
#include "shim_system.h"

namespace {

struct question {
    const char * name;
    void *       ours;
    uintptr_t    mask; // of the type of the answer
};

#define ASK(function, type) {#function, (void *) function, (uintptr_t) (type) -1}

const question questions[] = {
    ASK(ggml_backend_buft_name, uintptr_t),
    ASK(ggml_backend_buft_get_alignment, uintptr_t),
    ASK(ggml_backend_buft_get_max_size, uintptr_t),
    ASK(ggml_backend_buft_get_device, uintptr_t),
    ASK(ggml_backend_buffer_get_type, uintptr_t),
    ASK(ggml_backend_buffer_get_size, uintptr_t),
    ASK(ggml_backend_buffer_get_usage, uint32_t),
    ASK(ggml_backend_name, uintptr_t),
    ASK(ggml_backend_guid, uintptr_t),
    ASK(ggml_backend_get_device, uintptr_t),
    ASK(ggml_backend_dev_name, uintptr_t),
    ASK(ggml_backend_dev_description, uintptr_t),
    ASK(ggml_backend_dev_type, uint32_t),
    ASK(ggml_backend_dev_buffer_type, uintptr_t),
    ASK(ggml_backend_dev_host_buffer_type, uintptr_t),
    ASK(ggml_backend_dev_backend_reg, uintptr_t),
    ASK(ggml_backend_reg_name, uintptr_t),
    ASK(ggml_backend_reg_dev_count, uintptr_t),
};

#undef ASK

// text returns a version or commit of a library. Builds may have none.
std::string text(const char * s) {
    return s ? s : "unknown";
}

std::string compare(const infer::library & lib) {
    for (const auto & [name, ours] : {std::pair{"ggml_version", &ggml_version}, std::pair{"ggml_commit", &ggml_commit}}) {
        const auto theirs = (const char * (*)()) lib.find(name);
        if (!theirs) {
            return std::string("it has no function ") + name;
        }
        if (text(theirs()) != text(ours())) {
            return std::string(name) + " is " + text(theirs()) + ", and this engine's is " + text(ours());
        }
    }
    const auto overhead = (size_t (*)()) lib.find("ggml_tensor_overhead");
    if (!overhead || overhead() != ggml_tensor_overhead()) {
        return "its tensors have another size";
    }
    const infer::fake object;
    for (const question & q : questions) {
        void * theirs = lib.find(q.name);
        if (!theirs) {
            return std::string("it has no function ") + q.name;
        }
        if (object.ask(theirs, q.mask) != object.ask(q.ours, q.mask)) {
            return std::string("its structs have another layout (") + q.name + ")";
        }
    }
    return "";
}

} // namespace

bool infer_backends_fit(const char * path, infer_error * err) {
    return infer::guarded(err, false, [&] {
        infer::library lib(path);
        const std::string reason = lib.loaded() ? compare(lib) : infer::library::error();
        if (!reason.empty()) {
            throw std::runtime_error(reason);
        }
        lib.keep(); // stays loaded, so that backends are linked with it and with no other
        return true;
    });
}
