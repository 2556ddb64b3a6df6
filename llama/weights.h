// What is known of the weights of a model that was loaded without them: weights.cpp owns it,
// rebind.cpp points them at another model's.

#ifndef INFER_WEIGHTS_H
#define INFER_WEIGHTS_H

#include "buffers.h"

typedef enum ggml_status (*init_tensor_fn)(ggml_backend_buffer_t, struct ggml_tensor *);
typedef void (*set_tensor_fn)(ggml_backend_buffer_t, struct ggml_tensor *, const void *, size_t, size_t);

struct recorded {
    ggml_tensor * tensor;
    set_tensor_fn repack; // nullptr: plain bytes
    bool          device;
};

struct infer_weights {
    std::vector<recorded> tensors;
    char *                scratch;
    size_t                scratch_size;
    bool                  loading = true;  // what is initialised in its buffers are the model's weights
    bool                  reading = false; // buffers exist: tensors have been assigned to buffer types

    std::vector<ggml_backend_buffer_t> moved = {}; // of tensors that got another layout later
};

#endif
