// What the machine and this package have. See shim.h.

#ifndef INFER_SHIM_SYSTEM_H
#define INFER_SHIM_SYSTEM_H

#include "shim.h"

#ifdef __cplusplus
extern "C" {
#endif

// Whether n threads can be had at once.
bool infer_threads_available(int n);
// Whether this package, and so the engine, was compiled with optimisation.
bool infer_optimized(void);
// The number of buffer types that repack weights.
size_t infer_repack_types(void);

#ifdef __cplusplus
}
#endif

#endif
