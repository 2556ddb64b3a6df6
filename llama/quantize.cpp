// Quantisation of files and of rows.

#include "guard.h"
#include "shim_quantize.h"

#include <fstream>
#include <string>

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>
#endif

extern "C" bool goInferQuantizeProgress(uintptr_t handle, int done, int total, char * tensor);

using infer::guarded;

namespace {

// Thrown from the engine's log callback to stop the quantiser, which catches each std::exception.
// The lines for which this is thrown are logged while none of the quantiser's threads runs.
struct stopped : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct quantize_watch {
    uintptr_t   progress;
    std::string name;
    int64_t     width = 0;
};

enum ggml_type type_of(const char * name) {
    for (int t = 0; t < GGML_TYPE_COUNT; t++) {
        const char * n = ggml_type_name((enum ggml_type) t);
        if (n && strcmp(n, name) == 0) {
            return (enum ggml_type) t;
        }
    }
    return GGML_TYPE_COUNT;
}

// The quantiser reports its progress only in its log. For each tensor it logs
// "[  12/ 201]  NAME - [width, ...], type = f16, " and then, before it converts the tensor,
// "converting to q4_0 .. ".
void watch_quantize(const char * text, void * data) {
    quantize_watch * w = (quantize_watch *) data;
    int  done = 0, total = 0, at = 0;
    char name[32];
    if (sscanf(text, " [ %d / %d ] %n", &done, &total, &at) >= 2 && at > 0) {
        const std::string line(text + at);
        const size_t shape = line.rfind(" - [");
        if (shape == std::string::npos) {
            return;
        }
        w->name  = line.substr(0, shape);
        w->width = 0;
        long long width = 0;
        if (sscanf(line.c_str() + shape, " - [ %lld", &width) == 1) {
            w->width = width;
        }
        if (!goInferQuantizeProgress(w->progress, done, total, const_cast<char *>(w->name.c_str()))) {
            throw stopped("cancelled");
        }
    } else if (sscanf(text, "converting to %31s", name) == 1) {
        // The engine does not check whether the tensor can have the type; its threads would end the
        // process.
        const enum ggml_type type = type_of(name);
        if (type == GGML_TYPE_COUNT) {
            return;
        }
        if (w->width % ggml_blck_size(type) != 0) {
            throw stopped("tensor " + w->name + ": rows have " + std::to_string(w->width) + " elements, and type " + name
                + " needs a multiple of " + std::to_string(ggml_blck_size(type)) + ": choose another type");
        }
        if (ggml_quantize_requires_imatrix(type)) {
            throw stopped("tensor " + w->name + ": type " + name + " needs an importance matrix: choose another type");
        }
    }
}

} // namespace

// The quantiser calls ggml_quantize_chunk on several threads, where an exception would end the
// process. It fails an assertion on numbers that some types cannot represent. The linker redirects
// the calls here, except on macOS.
#if defined(__linux__) || defined(_WIN32)
extern "C" size_t __real_ggml_quantize_chunk(enum ggml_type type, const float * src, void * dst, int64_t start, int64_t nrows, int64_t n_per_row, const float * imatrix);
extern "C" size_t __wrap_ggml_quantize_chunk(enum ggml_type type, const float * src, void * dst, int64_t start, int64_t nrows, int64_t n_per_row, const float * imatrix);

size_t __wrap_ggml_quantize_chunk(enum ggml_type type, const float * src, void * dst, int64_t start, int64_t nrows, int64_t n_per_row, const float * imatrix) {
    infer_error err;
    // 1 is no valid size of rows: the quantiser's own validation fails and ends the work.
    return guarded(&err, (size_t) 1, [&] { return __real_ggml_quantize_chunk(type, src, dst, start, nrows, n_per_row, imatrix); });
}
#else
#define __real_ggml_quantize_chunk ggml_quantize_chunk
#endif

// The quantiser opens its output by std::ofstream, which on Windows expects a path in the system's
// code page. Paths of this package are UTF-8, so the linker redirects std::filebuf::open here. Only
// threads that quantise are affected.
#ifdef _WIN32
static thread_local bool utf8_paths = false;

struct utf8_scope {
    utf8_scope() { utf8_paths = true; }
    ~utf8_scope() { utf8_paths = false; }
};

#ifdef __GLIBCXX__
#define OPEN(prefix) prefix##_ZNSt13basic_filebufIcSt11char_traitsIcEE4openEPKcSt13_Ios_Openmode

extern "C" std::filebuf * OPEN(__real_)(std::filebuf * file, const char * path, std::ios_base::openmode mode);
extern "C" std::filebuf * OPEN(__wrap_)(std::filebuf * file, const char * path, std::ios_base::openmode mode);

std::filebuf * OPEN(__wrap_)(std::filebuf * file, const char * path, std::ios_base::openmode mode) {
    if (!utf8_paths) {
        return OPEN(__real_)(file, path, mode);
    }
    const int n = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, nullptr, 0);
    std::wstring wide(n, 0);
    if (n == 0 || MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, &wide[0], n) == 0) {
        return nullptr;
    }
    return file->open(wide.c_str(), mode);
}

static void check_path(const char *) {}
#else
static void check_path(const char * path) {
    for (const char * c = path; *c; c++) {
        if ((unsigned char) *c > 127) {
            throw std::runtime_error("the output path is not ASCII, which the C++ library of this build requires: use another path, or build with GCC");
        }
    }
}
#endif
#else
struct utf8_scope {};
static void check_path(const char *) {}
#endif

extern "C" bool infer_quantize(const char * in, const char * out, const llama_model_quantize_params * params, uintptr_t progress, infer_error * err) {
    return guarded(err, false, [&] {
        llama_model_quantize_params p = *params;
        if (p.nthread > 1 && !infer::threads_available(p.nthread - 1)) {
            p.nthread = 1;
        }
        quantize_watch w{progress, {}};
        infer::frame::current()->watch(watch_quantize, &w);
        check_path(out);
        [[maybe_unused]] const utf8_scope utf8;
        return llama_model_quantize(in, out, &p) == 0;
    });
}

extern "C" size_t infer_quantize_rows(enum ggml_type type, const float * src, void * dst, int64_t rows, int64_t row, infer_error * err) {
    return guarded(err, (size_t) 0, [&] { return __real_ggml_quantize_chunk(type, src, dst, 0, rows, row, nullptr); });
}
