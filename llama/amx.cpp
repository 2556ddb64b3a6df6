// On a CPU with AMX, the engine refers to a buffer type whose code its Go packages do not
// hold: the program would not link. There is none, then, and the engine goes on to the
// layout of AVX-512.

#if defined(__AMX_INT8__) && defined(__AVX512VNNI__)

#include "abi_types.h"

ggml_backend_buffer_type_t ggml_backend_amx_buffer_type(void);

ggml_backend_buffer_type_t ggml_backend_amx_buffer_type(void) {
    return nullptr;
}

#endif
