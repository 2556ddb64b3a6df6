// Quantisation of files and of rows.

#include "guard.h"
#include "shim_quantize.h"

#include <fstream>
#include <string>

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
    return (enum ggml_type) GGML_TYPE_COUNT;
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
        w->name  = line.substr(0, line.find_last_not_of(' ', shape - 1) + 1);
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

bool infer_quantize(const char * in, const char * out, infer_quantize_params q, uintptr_t progress, infer_error * err) {
    return guarded(err, false, [&] {
        llama_model_quantize_params p = llama_model_quantize_default_params();
        p.nthread = infer::quantize_threads(q.threads, q.ftype);
        if (q.ftype >= 0) {
            p.ftype = (enum llama_ftype) q.ftype;
        }
        if (q.output_type >= 0) {
            p.output_tensor_type = (enum ggml_type) q.output_type;
        }
        if (q.embedding_type >= 0) {
            p.token_embedding_type = (enum ggml_type) q.embedding_type;
        }
        p.allow_requantize       = q.allow_requantize;
        p.quantize_output_tensor = q.quantize_output_tensor;
        p.only_copy              = q.only_copy;
        p.pure                   = q.pure;
        p.keep_split             = q.keep_split;
        if (p.nthread > 1 && !infer::threads_available(p.nthread - 1)) {
            p.nthread = 1;
        }
        quantize_watch w{progress, {}};
        infer::frame::current()->watch(watch_quantize, &w);
        const infer::output_path path(out);
        return llama_model_quantize(in, out, &p) == 0;
    });
}

size_t infer_quantize_rows(enum ggml_type type, const float * src, void * dst, int64_t rows, int64_t row, infer_error * err) {
    return guarded(err, (size_t) 0, [&] { return infer::quantize_chunk(type, src, dst, rows, row); });
}
