// The quantiser. See shim.h.

#ifndef INFER_SHIM_QUANTIZE_H
#define INFER_SHIM_QUANTIZE_H

#include "shim.h"

#ifdef __cplusplus
extern "C" {
#endif

// Quantises a file. The Go function behind progress (a cgo.Handle) is called before each tensor and
// can stop the work.
bool infer_quantize(const char * in, const char * out, const llama_model_quantize_params * params, uintptr_t progress, infer_error * err);
// Quantises rows of row elements each, and returns the bytes written to dst; 0: failed.
size_t infer_quantize_rows(enum ggml_type type, const float * src, void * dst, int64_t rows, int64_t row, infer_error * err);

#ifdef __cplusplus
}
#endif

#endif
