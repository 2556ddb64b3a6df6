// Measures a context's memory: blocks are recorded instead of allocated.

#include "buffers.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

extern "C" void goInferWork(uintptr_t home, size_t size);

namespace infer {

enum ggml_status measured_init(ggml_backend_buffer_t buffer, ggml_tensor * tensor) {
    block * b = (block *) buffer->context;
    b->tensors = true;
    if (!tensor->view_src) {
        if (b->first.empty()) {
            b->first = tensor->name;
        }
        b->last = tensor->name;
    }
    return GGML_STATUS_SUCCESS;
}

namespace {

// Written ranges of a buffer: offsets of the first byte and of the byte after the last.
using ranges = std::vector<std::pair<size_t, size_t>>;

// pages_of returns the bytes of all pages that the ranges touch. It sorts the ranges.
size_t pages_of(ranges & r) {
    constexpr size_t page = 4096;
    std::sort(r.begin(), r.end());
    size_t sum = 0, end = 0;
    for (const auto & x : r) {
        const size_t from = std::max(x.first / page * page, end);
        const size_t to   = (x.second + page - 1) / page * page;
        if (to > from) {
            sum += to - from;
            end = to;
        }
    }
    return sum;
}

} // namespace

// The engine reserves results for all tokens of a batch. A prompt needs only one result, of its
// last token, so the rows of the other tokens are never written. The graph selects the rows that it
// needs by GET_ROWS of a computed tensor, with an input as indices. The results of that selection,
// and of all nodes computed from it, are counted as the rows of the scope's outputs.
void measured_graph(ggml_cgraph * graph) {
    scope * s = active();
    if (!s || !s->from.measure) {
        return;
    }
    std::unordered_map<ggml_backend_buffer_t, ranges> written;
    std::unordered_map<const ggml_tensor *, size_t>   selected; // computed from selected rows, with the number of rows
    std::unordered_map<const ggml_tensor *, bool>     seen;
    auto write = [&](const ggml_tensor * t, size_t rows) { // 0: all of it is written
        if (t->view_src || !t->buffer || !t->data || std::exchange(seen[t], true)) {
            return;
        }
        for (ggml_backend_buffer_t buffer : s->fresh) {
            if (buffer == t->buffer && buffer->usage == GGML_BACKEND_BUFFER_USAGE_COMPUTE) {
                const size_t from = (char *) t->data - (char *) measured_base;
                const size_t size = ggml_nbytes(t), some = std::min(rows, s->from.outputs);
                written[buffer].emplace_back(from, from + (some == rows ? size : (size + rows - 1) / rows * some));
            }
        }
    };
    for (int i = 0; i < ggml_graph_n_nodes(graph); i++) {
        ggml_tensor * t = ggml_graph_node(graph, i);
        size_t rows = 0;
        if (strcmp(ggml_op_name(t->op), "GET_ROWS") == 0 && t->src[1]->op == GGML_OP_NONE && t->src[0]->op != GGML_OP_NONE) {
            rows = t->src[1]->ne[0];
        }
        for (const ggml_tensor * source : t->src) {
            if (!source) {
                continue;
            }
            const auto found = selected.find(source);
            if (found != selected.end()) {
                rows = found->second;
            } else {
                write(source, 0); // an input of the graph; nodes have been written before
            }
        }
        if (rows > 0) {
            selected[t] = rows;
        }
        write(t, rows);
    }
    for (ggml_backend_buffer_t buffer : s->fresh) {
        if (buffer && buffer->usage == GGML_BACKEND_BUFFER_USAGE_COMPUTE) {
            ((block *) buffer->context)->used = pages_of(written[buffer]);
        }
    }
}

void measured_work(ggml_cgraph * graph) {
    const scope * s = active();
    if (s && s->from.measure) {
        goInferWork(s->from.home, ggml_graph_plan(graph, s->from.measure, nullptr).work_size);
    }
}

} // namespace infer
