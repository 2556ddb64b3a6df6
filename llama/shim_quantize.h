// Guarded calls of the quantiser. See shim.h.

#ifndef INFER_SHIM_QUANTIZE_H
#define INFER_SHIM_QUANTIZE_H

#include "shim.h"

#ifdef __cplusplus
extern "C" {
#endif

// Quantises a file. progress (a Go handle, or 0) is told about every tensor; *stop != 0
// ends it before the next one.
bool infer_quantize(const char * in, const char * out, const llama_model_quantize_params * params, uintptr_t progress, infer_error * err);
size_t infer_quantize_rows(enum ggml_type type, const float * src, void * dst, int64_t rows, int64_t row, infer_error * err);

#ifdef __cplusplus
}
#endif

#endif
