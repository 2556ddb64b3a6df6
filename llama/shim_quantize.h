// The quantiser. See shim.h.

#ifndef INFER_SHIM_QUANTIZE_H
#define INFER_SHIM_QUANTIZE_H

#include "shim.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct infer_quantize_params {
    int32_t threads;
    int32_t ftype;          // llama_ftype; -1: the engine's default
    int32_t output_type;    // ggml_type of the output tensor; -1: as ftype says
    int32_t embedding_type; // ggml_type of the token embeddings; -1: as ftype says
    bool    allow_requantize;
    bool    quantize_output_tensor;
    bool    only_copy;
    bool    pure;
    bool    keep_split;
} infer_quantize_params;

// Quantises a file. The Go function behind progress (a cgo.Handle) is called before each tensor and
// can stop the work.
bool infer_quantize(const char * in, const char * out, infer_quantize_params params, uintptr_t progress, infer_error * err);
// Quantises rows of row elements each, and returns the bytes written to dst; 0: failed.
size_t infer_quantize_rows(enum ggml_type type, const float * src, void * dst, int64_t rows, int64_t row, infer_error * err);

#ifdef __cplusplus
}
#endif

#endif
