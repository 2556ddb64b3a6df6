// The weights that are read into slots: which ones a model has (infer_streams), and their state
// while a context computes (infer_layers). Internal to layers.hpp and experts.hpp.

#ifndef INFER_STREAMS_H
#define INFER_STREAMS_H

#include "buffers.h"
#include "shim_layers.h"

#include <unordered_map>
#include <vector>

namespace infer {

// streamed is a tensor of a streamed layer.
struct streamed {
    int    layer;
    char * mapped; // address that the tensor is bound to
    char * slot;   // address that the engine uses while the layer is computed
};

// expert_weight replaces a tensor of experts in multiplications.
struct expert_weight {
    int         layer;
    ggml_tensor shadow; // the tensor with slots as its third dimension
};

// expert_choice is the state between a layer's choice of experts and the last multiplication with
// them. At most one layer of a context is in this state.
struct expert_choice {
    // patched is a node of the graph whose sources were replaced by shadows.
    struct patched {
        ggml_tensor * node;
        ggml_tensor * weight, * ids; // the original sources
    };

    int                  marked = -1;          // layer of the ids that were computed last
    ggml_tensor *        marked_ids = nullptr; // nullptr: none, or Go has been told of them
    int                  layer = -1; // -1: none
    ggml_tensor *        ids = nullptr;
    ggml_tensor          shadow; // like ids, with slot numbers as data
    std::vector<int32_t> chosen, slots;
    std::vector<patched> nodes;
    bool                 between = false; // the scheduler stops before the last of them
};

} // namespace infer

struct infer_streams {
    std::unordered_map<ggml_tensor *, infer::streamed>      tensors;
    std::vector<int>                                        counts; // number of tensors, by layer
    std::unordered_map<ggml_tensor *, infer::expert_weight> experts;
    std::vector<int>                                        expert_counts; // number of tensors in experts, by layer

    bool has(size_t layer) const { return layer < counts.size() && counts[layer] > 0; }
    int  experts_of(size_t layer) const { return layer < expert_counts.size() ? expert_counts[layer] : 0; }
};

struct infer_layers {
    enum state : char { away, held, refused };

    uintptr_t            layers; // cgo.Handle of the Go object
    infer_streams *      streams;
    bool                 watched; // Go is called for all layers with experts, also without slots
    std::vector<state>   states;
    infer::expert_choice choice;

    // layers.hpp
    state enter(int layer);
    void  leave(int layer);
    void  use(ggml_tensor * node);

    // experts.hpp
    void choose(ggml_tensor * node); // tells Go of the choice, if node is the first that multiplies by its ids
    bool patch(ggml_tensor * node);            // returns true if the scheduler must stop after the node
    void release();                            // restores the graph and tells Go
};

#endif
