// Facts about the machine and this build. See shim.h.

#ifndef INFER_SHIM_SYSTEM_H
#define INFER_SHIM_SYSTEM_H

#include "shim.h"

#ifdef __cplusplus
extern "C" {
#endif

// Whether n threads can be started at once.
bool infer_threads_available(int n);
// Whether this package, and so the engine, was compiled with optimisation.
bool infer_optimized(void);
// The version that an engine from a library says of itself; "" for the compiled-in one.
const char * infer_version(void);
// The number of tensor types: ggml_type is less.
uint32_t infer_type_count(void);
// The number of the engine's buffer types that repack weights on this CPU.
size_t infer_repack_types(void);
// Must be called when devices have been added.
void infer_devices_changed(void);
// The largest buffer that a device can have, in bytes.
size_t infer_device_largest(size_t device);
// Returns the name of type i of them.
const char * infer_repack_type(size_t i);
// Chooses the kernels that multiply weights, before infer_init: "" for the fastest, the name of an
// instruction set, or "engine" for those of the engine. Returns whether this CPU and build have them.
bool infer_kernels_choose(const char * name);
// The name of the instruction set, "" for the engine's.
const char * infer_kernels_chosen(void);
// Whether they are used.
bool infer_kernels_used(void);
// Whether the kernel for a type computes the same bits as the engine: a random matrix by vectors. experts: 0, or
// how many matrices, of which each vector chooses some. plain: the kernel gets them in the file's layout.
// numbers: what is multiplied, as in product_shape (matmul_trial.hpp).
bool infer_kernel_agrees(enum ggml_type type, int64_t length, int64_t rows, int64_t vectors, int64_t experts, int64_t each, bool plain, int numbers);
// Loads the library of ggml's base functions that backends are linked with, and tests whether it has
// this engine's version and structs. The error is the reason why not.
bool infer_backends_fit(const char * path, infer_error * err);

#ifdef __cplusplus
}
#endif

#endif
