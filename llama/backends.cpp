// Tests whether libraries of backends were built with the structs of this engine. The engine compares
// one number, its API version, which stays the same when structs change, and then computes with
// pointers at wrong places.

#include "guard.h"
#include "shim_system.h"

#include <cstring>

#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace {

#ifdef _WIN32

struct library {
    HMODULE handle = nullptr;

    explicit library(const char * path) {
        const int n = MultiByteToWideChar(CP_UTF8, 0, path, -1, nullptr, 0);
        std::wstring wide(n, L'\0');
        MultiByteToWideChar(CP_UTF8, 0, path, -1, wide.data(), n);
        handle = LoadLibraryExW(wide.c_str(), nullptr, LOAD_WITH_ALTERED_SEARCH_PATH);
    }
    ~library() {
        if (handle) {
            FreeLibrary(handle);
        }
    }
    void * find(const char * name) const { return (void *) GetProcAddress(handle, name); }
    static std::string error() { return "error " + std::to_string(GetLastError()); }
};

#else

struct library {
    void * handle;

    explicit library(const char * path) : handle(dlopen(path, RTLD_NOW | RTLD_LOCAL)) {}
    ~library() {
        if (handle) {
            dlclose(handle);
        }
    }
    void * find(const char * name) const { return dlsym(handle, name); }
    static std::string error() {
        const char * e = dlerror();
        return e ? e : "unknown error";
    }
};

#endif

// A fake object consists of functions. Function n returns n + 1, whatever it is called with. Both
// engines are asked for the same things of it: the answers tell at which place each engine looks.
constexpr size_t words = 64;

template <size_t n> uintptr_t numbered(void *) {
    return n + 1;
}

template <size_t... n> void fill(uintptr_t * object, std::index_sequence<n...>) {
    ((object[n] = (uintptr_t) &numbered<n>), ...);
}

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

uintptr_t answer(void * function, const question & q, void * object) {
    return ((uintptr_t (*)(void *)) function)(object) & q.mask;
}

// text returns a version or commit of a library. Builds may have none.
std::string text(const char * s) {
    return s ? s : "unknown";
}

std::string compare(const library & lib) {
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
    uintptr_t object[words];
    fill(object, std::make_index_sequence<words>());
    for (const question & q : questions) {
        void * theirs = lib.find(q.name);
        if (!theirs) {
            return std::string("it has no function ") + q.name;
        }
        if (answer(theirs, q, object) != answer(q.ours, q, object)) {
            return std::string("its structs have another layout (") + q.name + ")";
        }
    }
    return "";
}

} // namespace

extern "C" bool infer_backends_fit(const char * path, infer_error * err) {
    return infer::guarded(err, false, [&] {
        library lib(path);
        const std::string reason = lib.handle ? compare(lib) : library::error();
        if (!reason.empty()) {
            throw std::runtime_error(reason);
        }
        lib.handle = nullptr; // stays loaded, so that backends are linked with it and with no other
        return true;
    });
}
