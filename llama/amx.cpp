// Compiled for AMX, the engine refers to a buffer type whose code its Go packages do not contain,
// so that the program would not link. This definition says that there is no such type. The engine
// then uses the layout for AVX-512.

#if defined(__AMX_INT8__) && defined(__AVX512VNNI__)

#include "abi_types.h"

ggml_backend_buffer_type_t ggml_backend_amx_buffer_type(void);

ggml_backend_buffer_type_t ggml_backend_amx_buffer_type(void) {
    return nullptr;
}

#endif
