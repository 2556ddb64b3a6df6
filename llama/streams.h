// Which weights of a model are not where they are bound, and what a context knows of them
// while it computes. Internal to layers.cpp and experts.cpp.

#ifndef INFER_STREAMS_H
#define INFER_STREAMS_H

#include "buffers.h"
#include "shim_layers.h"

#include <unordered_map>
#include <vector>

namespace infer {

// streamed is a tensor that is in its layer's slot while the layer is computed.
struct streamed {
    int    layer;
    char * mapped;
    char * slot;
};

// expert_weight is a tensor of experts, as the engine is shown it: slots instead of experts.
struct expert_weight {
    int         layer;
    ggml_tensor shadow;
};

// expert_choice is what a context computes with between a layer's choice of experts and the
// last multiplication with them. One layer is at that stage at a time.
struct expert_choice {
    // patched is a node of the graph that was given shadows as sources.
    struct patched {
        ggml_tensor * node;
        ggml_tensor * weight, * ids; // its own sources
    };

    int                  layer = -1; // -1: none
    ggml_tensor *        ids = nullptr;
    ggml_tensor          shadow; // of ids: slots instead of experts
    std::vector<int32_t> chosen, slots;
    std::vector<patched> nodes;
};

} // namespace infer

struct infer_streams {
    std::unordered_map<ggml_tensor *, infer::streamed>      tensors;
    std::vector<int>                                        counts; // of tensors, by layer
    std::unordered_map<ggml_tensor *, infer::expert_weight> experts;
    std::vector<int>                                        expert_counts; // of those, by layer

    bool has(size_t layer) const { return layer < counts.size() && counts[layer] > 0; }
    int  experts_of(size_t layer) const { return layer < expert_counts.size() ? expert_counts[layer] : 0; }
};

struct infer_layers {
    enum state : char { away, held, refused };

    uintptr_t            layers; // a Go handle
    infer_streams *      streams;
    bool                 watched; // Go is told of all choices of experts
    std::vector<state>   states;
    infer::expert_choice choice;

    // layers.cpp
    state enter(int layer);
    void  leave(int layer);
    void  use(ggml_tensor * node);

    // experts.cpp
    void choose(int layer, ggml_tensor * ids); // which has been computed
    bool patch(ggml_tensor * node);            // true: it is the last that uses the choice
    void release();                            // the graph is as it was, and Go is told
};

#endif
