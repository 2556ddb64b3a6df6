// What the C interfaces of this package's C++ files share: errors, and scopes of memory. Each
// shim_*.h is the interface of the C++ file of that name.
//
// Every infer_* function that takes an infer_error catches C++ exceptions and
// failed engine checks (GGML_ASSERT on the calling thread), and collects what the
// engine logged as error or warning meanwhile: the reason of a NULL result.

#ifndef INFER_SHIM_H
#define INFER_SHIM_H

#include "abi_types.h"
#include "abi_functions.h"

#ifdef __cplusplus
extern "C" {
#endif

enum infer_error_kind {
    INFER_OK = 0,
    INFER_EXCEPTION,  // a C++ exception: what
    INFER_NO_MEMORY,  // std::bad_alloc
    INFER_ASSERT,     // a failed check of the engine: its state is undefined
    INFER_TOO_MUCH,   // a bound on the work of one call: what
};

typedef struct infer_error {
    int  kind;
    char what[512];
    char log[1536];
} infer_error;

// infer_init installs logging, the assert handler and the buffer types. Once.
void infer_init(void);

// infer_set_log_level sets the lowest level that goes to Go; above ERROR: none.
void infer_set_log_level(int level);

// A scope says where the host memory of the engine comes from while a call runs
// on this thread. home is a Go handle (0: the engine allocates as it always does);
// max_block is the largest block the engine should ask for when it can split;
// purpose is that of blocks which are neither compute buffers nor context memory.
enum infer_purpose {
    INFER_PURPOSE_OUTPUT = 0,
    INFER_PURPOSE_KV,
    INFER_PURPOSE_COMPUTE,
    INFER_PURPOSE_WEIGHTS,
};

typedef struct infer_scope {
    uintptr_t home;
    size_t    max_block;
    int       purpose;
    int       measure; // for so many threads, 0 not: blocks are told about and not taken: nothing may be computed
} infer_scope;

#ifdef __cplusplus
}
#endif

#endif
