// The engine's private scheduler structures, for wrap.hpp, which creates schedulers. No header of
// the engine declares them: scheduler_test.go compares each offset with the engine's source.

#ifndef INFER_SCHEDULER_H
#define INFER_SCHEDULER_H

#include "shim.h"

namespace infer {

constexpr size_t sched_max_backends = 16;
constexpr size_t sched_max_inputs   = 30; // of a split
constexpr size_t sched_max_copies   = 4;

struct hash_set {
    size_t         size;
    uint32_t *     used; // one bit per key
    ggml_tensor ** keys;
};

struct graph {
    int            size, n_nodes, n_leafs;
    ggml_tensor ** nodes;
    ggml_tensor ** grads;
    ggml_tensor ** grad_accs;
    ggml_tensor ** leafs;
    int32_t *      use_counts;
    hash_set       visited_hash_set;
    int            order;
};

struct split {
    int           backend_id, i_start, i_end;
    ggml_tensor * inputs[sched_max_inputs];
    int           n_inputs;
    infer::graph  graph;
};

struct scheduler {
    bool is_reset;
    bool is_alloc;

    int                        n_backends;
    ggml_backend_t             backends[sched_max_backends];
    ggml_backend_buffer_type_t bufts[sched_max_backends];
    ggml_gallocr_t             galloc;

    infer::hash_set hash_set;
    int *           hv_tensor_backend_ids; // [hash_set.size]
    ggml_tensor **  hv_tensor_copies;      // [hash_set.size][n_backends][n_copies]

    int * node_backend_ids;
    int * leaf_backend_ids;
    int * prev_node_backend_ids;
    int * prev_leaf_backend_ids;

    infer::graph graph;

    infer::split * splits;
    int            n_splits;
    int            splits_capacity;

    int                  n_copies;
    int                  cur_copy;
    int                  next_copy;
    ggml_backend_event_t events[sched_max_backends][sched_max_copies];
    ggml_tensor *        graph_inputs[sched_max_inputs];
    int                  n_graph_inputs;

    struct ggml_context * ctx;

    ggml_backend_sched_eval_callback callback_eval;
    void *                           callback_eval_user_data;

    char * context_buffer;
    size_t context_buffer_size;

    bool op_offload;
    int  batch_size;
    int  debug;
    int  debug_realloc;
    int  debug_graph_size;
    int  debug_prev_graph_size;
    bool alloc_buffers;
};

} // namespace infer

#endif
