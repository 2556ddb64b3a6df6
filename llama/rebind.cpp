// Binds a model's tensors to another model's weights. No bytes are copied.

#include "weights.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

using infer::guarded;
using infer::scope_guard;

// places are the tensors of one name: as they are in the file, and repacked.
struct places {
    const recorded * plain    = nullptr;
    const recorded * repacked = nullptr;
};

static bool same_shape(const ggml_tensor * a, const ggml_tensor * b) {
    return a->type == b->type && std::equal(a->ne, a->ne + GGML_MAX_DIMS, b->ne);
}

extern "C" bool infer_weights_rebind(infer_weights * w, const infer_weights * like, infer_error * err) {
    return guarded(err, false, [&] {
        std::unordered_map<std::string, places> by_name;
        for (const recorded & r : like->tensors) {
            places & p = by_name[r.tensor->name];
            (r.repack ? p.repacked : p.plain) = &r;
        }
        std::vector<std::pair<recorded *, const recorded *>>                  moves;
        std::unordered_map<ggml_backend_buffer_type_t, ggml_backend_buffer_t> buffers;
        for (recorded & r : w->tensors) {
            const places p = by_name[r.tensor->name];
            // A tensor whose rows are also looked up, such as tied embeddings, keeps its layout.
            const recorded * from = r.repack || !p.plain ? p.repacked : p.plain;
            if (r.device || !from || from->device || !same_shape(r.tensor, from->tensor)) {
                throw std::runtime_error(std::string("tensor ") + r.tensor->name + " is none of the other model's");
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
