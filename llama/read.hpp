// Skips reads of unbound tensors: the engine would read all tensors of an unbound model into the
// scratch range, which takes time and is not needed. The linker redirects the engine's reads here:
// see the LDFLAGS in engine.go. On other systems the tensors are read.

#include "buffers.h"

#if (defined(__linux__) || defined(_WIN32)) && SIZE_MAX == UINT64_MAX

// The mangled names of llama_file::read_raw(void *, size_t) const.
#ifdef _WIN32
#define REAL_READ __real__ZNK10llama_file8read_rawEPvy
#define WRAP_READ __wrap__ZNK10llama_file8read_rawEPvy
#else
#define REAL_READ __real__ZNK10llama_file8read_rawEPvm
#define WRAP_READ __wrap__ZNK10llama_file8read_rawEPvm
#endif

extern "C" {
void REAL_READ(const void * file, void * dst, size_t size);
void WRAP_READ(const void * file, void * dst, size_t size);
}

void WRAP_READ(const void * file, void * dst, size_t size) {
    if (!infer::reads_unbound()) {
        REAL_READ(file, dst, size);
    }
}

#endif
