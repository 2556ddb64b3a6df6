// Binds a model's tensors to another model's weights, without a copy.

#include "weights.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

using infer::guarded;
using infer::scope_guard;

// variants are the tensors of one name: with the file's bytes, and repacked.
struct variants {
    const recorded * plain    = nullptr;
    const recorded * repacked = nullptr;
};

static bool same_shape(const ggml_tensor * a, const ggml_tensor * b) {
    return a->type == b->type && std::equal(a->ne, a->ne + GGML_MAX_DIMS, b->ne);
}

bool infer_weights_rebind(infer_weights * w, const infer_weights * like, infer_error * err) {
    return guarded(err, false, [&] {
        if (!infer::forgets_graphs()) {
            throw std::runtime_error("this engine would use a graph again that has the addresses of weights before");
        }
        std::unordered_map<std::string, variants> by_name;
        for (const recorded & r : like->tensors) {
            variants & v = by_name[r.tensor->name];
            (r.repack ? v.repacked : v.plain) = &r;
        }
        std::vector<std::pair<recorded *, const recorded *>>                  moves;
        std::unordered_map<ggml_backend_buffer_type_t, ggml_backend_buffer_t> buffers;
        for (recorded & r : w->tensors) {
            const variants v = by_name[r.tensor->name];
            // A tensor whose rows are also looked up, such as tied embeddings, keeps its layout.
            const recorded * from = r.repack || !v.plain ? v.repacked : v.plain;
            if (r.device || !from || from->device || !same_shape(r.tensor, from->tensor)) {
                throw std::runtime_error(std::string("tensor ") + r.tensor->name +
                    ": the other model has no tensor in host memory of this name, type and shape");
            }
            if (!r.repack && from->repack) {
                buffers[from->tensor->buffer->buft] = nullptr;
            }
            moves.emplace_back(&r, from);
        }
        for (auto & b : buffers) {
            scope_guard in({}, w);
            if (!(b.second = infer::repack_alloc(b.first, 1))) {
                throw std::bad_alloc();
            }
            b.second->usage = GGML_BACKEND_BUFFER_USAGE_WEIGHTS;
            w->moved.push_back(b.second);
        }
        for (auto & m : moves) {
            ggml_tensor * t = m.first->tensor;
            if (!m.first->repack && m.second->repack) {
                t->buffer       = buffers[m.second->tensor->buffer->buft];
                t->extra        = m.second->tensor->extra;
                m.first->repack = m.second->repack;
            }
            t->data = m.second->tensor->data;
        }
        return true;
    });
}
