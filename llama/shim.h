// Declarations that all C interfaces of this package share: errors and memory scopes. Each shim_*.h
// declares the functions of the C++ file of that name.
//
// Each infer_* function with an infer_error parameter catches C++ exceptions and the engine's
// failed assertions (GGML_ASSERT) on the calling thread. It also stores the errors and warnings
// that the engine logged during the call: they give the reason when the engine returns NULL.

#ifndef INFER_SHIM_H
#define INFER_SHIM_H

#include "abi_types.h"

#ifdef __cplusplus
extern "C" {
#endif

enum infer_error_kind {
    INFER_OK = 0,
    INFER_EXCEPTION,  // C++ exception; what has its text
    INFER_NO_MEMORY,  // std::bad_alloc
    INFER_ASSERT,     // failed assertion of the engine, whose state is undefined afterwards
    INFER_TOO_MUCH,   // the call would exceed a bound on its work; what has the bound
    INFER_NO_CHOICE,  // a sampler's parameters leave no token to choose; what has the reason
};

typedef struct infer_error {
    int  kind;
    char what[512];
    char log[1536];
} infer_error;

// infer_init installs logging, the assert handler and the buffer types. It must be called once, after
// the engine was chosen.
void infer_init(void);

// infer_set_log_level sets the lowest level that is sent to Go. Levels above ERROR send nothing.
void infer_set_log_level(int level);

// A scope says where the engine gets host memory from while a call runs on this thread.
enum infer_purpose {
    INFER_PURPOSE_OUTPUT = 0,
    INFER_PURPOSE_KV,
    INFER_PURPOSE_COMPUTE,
    INFER_PURPOSE_WEIGHTS,
};

typedef struct infer_scope {
    uintptr_t home;      // cgo.Handle of the Blocks; 0: the engine's own allocator
    size_t    max_block; // largest block that the engine may ask for where it can split, in bytes
    int       purpose;   // of blocks that are neither compute buffers nor context memory
    int       measure;   // > 0: blocks are reported and not allocated, as for that many threads;
                         // nothing may be computed
    size_t    outputs;   // of a measured evaluation
} infer_scope;

#ifdef __cplusplus
}
#endif

#endif
