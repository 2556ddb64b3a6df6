// Weights that are in memory only while their layer is computed. The scheduler shows every
// node of a graph before it computes it, and stops behind those that are asked for: what a
// node uses is found out from its sources, and where to stop from its name. A graph whose
// layers are named otherwise, or used in another order, thus computes with the mapped
// bytes, never with wrong ones.

#include "buffers.h"
#include "shim_layers.h"

#include <cstdlib>
#include <unordered_map>
#include <vector>

extern "C" {
bool goInferBeforeLayer(uintptr_t layers, int layer);
void goInferAfterLayer(uintptr_t layers, int layer);
}

namespace {

struct streamed {
    int    layer;
    char * mapped;
    char * slot;
};

} // namespace

struct infer_streams {
    std::unordered_map<ggml_tensor *, streamed> tensors;
    std::vector<int>                            counts; // of tensors, by layer

    bool has(size_t layer) const { return layer < counts.size() && counts[layer] > 0; }
};

struct infer_layers {
    enum state : char { away, held, refused };

    uintptr_t          layers; // a Go handle
    infer_streams *    streams;
    std::vector<state> states;

    state enter(int layer) {
        if ((size_t) layer >= states.size()) {
            states.resize(layer + 1, away);
        }
        if (states[layer] == away) {
            states[layer] = goInferBeforeLayer(layers, layer) ? held : refused;
        }
        return states[layer];
    }

    // Between two passes everything is where it is mapped.
    void leave(int layer) {
        if ((size_t) layer < states.size() && states[layer] != away) {
            for (auto & t : streams->tensors) {
                if (t.second.layer == layer) {
                    t.first->data = t.second.mapped;
                }
            }
            states[layer] = away;
        }
    }

    void use(ggml_tensor * node) {
        for (ggml_tensor * src : node->src) {
            ggml_tensor * weight = src && src->view_src ? src->view_src : src;
            auto found = weight ? streams->tensors.find(weight) : streams->tensors.end();
            if (found == streams->tensors.end()) {
                continue;
            }
            const streamed & s = found->second;
            char * data = enter(s.layer) == held ? s.slot : s.mapped;
            weight->data = data;
            if (src != weight) {
                src->data = data + src->view_offs;
            }
        }
    }
};

extern "C" infer_streams * infer_streams_new(void) {
    return new (std::nothrow) infer_streams;
}

extern "C" bool infer_streams_any(const infer_streams * s) {
    return s && !s->tensors.empty();
}

extern "C" void infer_streams_free(infer_streams * s) {
    delete s;
}

extern "C" bool infer_streams_set(infer_streams * s, const infer_weights * w, size_t i, int layer, void * slot, infer_error * err) {
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

extern "C" infer_layers * infer_layers_new(uintptr_t layers, infer_streams * streams) {
    return new (std::nothrow) infer_layers{layers, streams, {}};
}

extern "C" void infer_layers_free(infer_layers * l) {
    delete l;
}

extern "C" void infer_layers_begin(infer_layers * l) {
    for (size_t n = 0; n < l->states.size(); n++) {
        l->leave((int) n);
    }
}

extern "C" bool infer_eval(struct ggml_tensor * node, bool ask, void * user_data) {
    // llama.cpp's graphs name the last tensor of a layer so.
    static const char mark[] = "l_out-";
    infer_layers * l = (infer_layers *) user_data;
    const bool marked = strncmp(node->name, mark, sizeof mark - 1) == 0;
    const int  layer  = marked ? atoi(node->name + sizeof mark - 1) : -1;
    if (!ask) {
        if (marked && layer >= 0 && l->streams->has(layer)) {
            l->leave(layer);
            goInferAfterLayer(l->layers, layer);
        }
        return true;
    }
    if (l->streams->tensors.empty()) {
        return false;
    }
    l->use(node);
    // What precedes a streamed layer is computed while that is read.
    return marked && layer >= 0 && (l->streams->has(layer) || l->streams->has((size_t) layer + 1));
}
