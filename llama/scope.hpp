// Scopes: where the engine's host memory comes from during a call on this thread. Scopes nest.

#include "buffers.h"

namespace infer {

static thread_local scope * innermost = nullptr;

scope * active() {
    return innermost;
}

scope_guard::scope_guard(const infer_scope & from, infer_weights * record) : scope_{from, record, {}, innermost} {
    innermost = &scope_;
}

scope_guard::~scope_guard() {
    for (ggml_backend_buffer_t buffer : scope_.fresh) {
        if (buffer && !device_tell(buffer, scope_.from.purpose)) {
            block_tell(buffer, scope_.from.purpose);
        }
    }
    innermost = scope_.outer;
}

} // namespace infer
