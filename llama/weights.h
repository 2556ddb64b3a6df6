// The weights of an unbound model. Internal to weights.hpp, which owns them, and rebind.hpp, which
// binds them to another model's weights.

#ifndef INFER_WEIGHTS_H
#define INFER_WEIGHTS_H

#include "buffers.h"

typedef enum ggml_status (*init_tensor_fn)(ggml_backend_buffer_t, struct ggml_tensor *);
typedef void (*set_tensor_fn)(ggml_backend_buffer_t, struct ggml_tensor *, const void *, size_t, size_t);

struct recorded {
    ggml_tensor * tensor;
    set_tensor_fn repack; // the engine's repacking function; nullptr: not repacked
    bool          device; // in a device's memory
    bool          copies; // the repacking function only copies: the bytes are those of the file
};

struct infer_weights {
    std::vector<recorded> tensors;
    char *                scratch;
    size_t                scratch_size;
    bool                  loading = true;  // tensors that are initialised are weights, not views in graphs
    bool                  reading = false; // buffers exist: the engine has chosen the tensors' buffer types

    std::vector<ggml_backend_buffer_t> moved = {}; // buffers made by rebinding to another layout
};

#endif
