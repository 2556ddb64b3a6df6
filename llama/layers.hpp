// Streamed layers: their weights are in a slot only while the layer is computed. The scheduler's
// eval callback is called for each node of a graph before it is computed, and can ask for a call
// after it, too. A node's sources say which weights it uses; a node's name says that it ends a
// layer. If a graph names its nodes or orders its layers differently, the engine computes with the
// mapped bytes: slower, but with the same result.

#include "streams.h"

#include <cstdlib>

extern "C" {
bool goInferBeforeLayer(uintptr_t layers, int layer);
void goInferAfterLayer(uintptr_t layers, int layer);
}

infer_layers::state infer_layers::enter(int layer) {
    if ((size_t) layer >= states.size()) {
        states.resize(layer + 1, away);
    }
    if (states[layer] == away) {
        states[layer] = goInferBeforeLayer(layers, layer) ? held : refused;
    }
    return states[layer];
}

// leave binds a layer's tensors to their mapped bytes again. Between passes, all are bound so.
void infer_layers::leave(int layer) {
    if ((size_t) layer < states.size() && states[layer] != away) {
        for (auto & t : streams->tensors) {
            if (t.second.layer == layer) {
                t.first->data = t.second.mapped;
            }
        }
        states[layer] = away;
    }
}

void infer_layers::use(ggml_tensor * node) {
    for (ggml_tensor * src : node->src) {
        ggml_tensor * weight = src && src->view_src ? src->view_src : src;
        auto found = weight ? streams->tensors.find(weight) : streams->tensors.end();
        if (found == streams->tensors.end()) {
            continue;
        }
        const infer::streamed & s = found->second;
        char * data = enter(s.layer) == held ? s.slot : s.mapped;
        weight->data = data;
        if (src != weight) {
            src->data = data + src->view_offs;
        }
    }
}

infer_streams * infer_streams_new(void) {
    return new (std::nothrow) infer_streams;
}

bool infer_streams_any(const infer_streams * s) {
    return s && (!s->tensors.empty() || !s->experts.empty());
}

void infer_streams_free(infer_streams * s) {
    delete s;
}

bool infer_streams_set(infer_streams * s, const infer_weights * w, size_t i, int layer, void * slot, infer_error * err) {
    return infer::guarded(err, false, [&] {
        ggml_tensor * t = infer::weight(w, i);
        auto old = s->tensors.find(t);
        if (old != s->tensors.end()) {
            t->data = old->second.mapped;
            s->counts[old->second.layer]--;
            s->tensors.erase(old);
        }
        if (slot) {
            if ((size_t) layer >= s->counts.size()) {
                s->counts.resize(layer + 1);
            }
            s->tensors[t] = {layer, (char *) t->data, (char *) slot};
            s->counts[layer]++;
        }
        return true;
    });
}

infer_layers * infer_layers_new(uintptr_t layers, infer_streams * streams, bool watched) {
    return new (std::nothrow) infer_layers{layers, streams, watched, {}, {}};
}

void infer_layers_free(infer_layers * l) {
    delete l;
}

void infer_layers_begin(infer_layers * l) {
    l->release();
    l->choice.marked_ids = nullptr;
    for (size_t n = 0; n < l->states.size(); n++) {
        l->leave((int) n);
    }
}

namespace {

// number_of returns N of a node with the name "mark-N", and -1 for other names.
int number_of(const ggml_tensor * node, const char * mark) {
    const size_t n = strlen(mark);
    return strncmp(node->name, mark, n) == 0 && node->name[n] == '-' ? atoi(node->name + n + 1) : -1;
}

} // namespace

bool infer_eval(struct ggml_tensor * node, bool ask, void * user_data) {
    infer_layers * l = (infer_layers *) user_data;
    const infer_streams & streams = *l->streams;
    const int done   = number_of(node, "l_out");        // the output of a layer
    const int chosen = number_of(node, "ffn_moe_topk"); // the ids of the experts that it chose
    const bool told  = chosen >= 0 && (l->watched || streams.experts_of(chosen) > 0);
    if (!ask) {
        if (l->choice.between) {
            l->choice.between = false;
        } else if (l->choice.layer >= 0) {
            l->release(); // all patched nodes have been computed
        }
        if (done >= 0 && streams.has(done)) {
            l->leave(done);
            goInferAfterLayer(l->layers, done);
        }
        if (told) { // not a choice yet: other ids may be derived from these
            l->choice.marked     = chosen;
            l->choice.marked_ids = node;
        }
        return true;
    }
    l->choose(node);
    if (streams.tensors.empty() && streams.experts.empty()) {
        return told;
    }
    l->use(node);
    // After true, the scheduler computes all nodes so far. Before a streamed layer it must do so
    // before use waits for that layer: computation and reading then overlap.
    return l->patch(node) || (done >= 0 && (streams.has(done) || streams.has((size_t) done + 1))) ||
        told;
}
