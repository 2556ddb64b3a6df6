// The engine's host memory. ggml's CPU buffer type, and the buffer types that
// repack weights, are static structures of function pointers; replacing a few of
// them makes every block come from Go while a scope is active on the thread, and
// leaves the engine as it is otherwise.

#include "guard.h"
#include "shim_system.h"

#include <algorithm>
#include <cassert>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

extern "C" {
void * goInferAlloc(uintptr_t home, size_t size);
void   goInferFree(uintptr_t home, void * data);
void   goInferTag(uintptr_t home, void * data, int purpose);
void   goInferMeasured(uintptr_t home, size_t size, size_t used, int purpose, char * first, char * last);
void   goInferWork(uintptr_t home, size_t size);
void   goInferProgress(uintptr_t report, float progress);
}

// From llama.cpp's internal interface: the tensors of a model by name.
const std::vector<std::pair<std::string, ggml_tensor *>> & llama_internal_get_tensor_map(const llama_model * model);

// The one method used of the engine's class: what every decode begins with.
struct llama_context {
    bool memory_update(bool optimize);
};

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

namespace infer {

namespace {

// block is the context of a buffer whose memory came from Go.
struct block {
    uintptr_t home;
    void *    data;
    bool      cleared = false; // by the engine: KV cache and recurrent state are
    bool      tagged  = false;

    bool        measured = false; // there is no memory behind data
    std::string first, last;      // the tensors in it then
    size_t      used = SIZE_MAX;  // of a compute buffer, by the graph measured last
};

// unbound is the context of a buffer of weights that lie elsewhere.
struct unbound {
    infer_weights * weights;
    init_tensor_fn  init   = nullptr;
    set_tensor_fn   repack = nullptr;
};

struct scope_state {
    infer_scope                        scope;
    infer_weights *                    record;
    std::vector<ggml_backend_buffer_t> fresh;
    scope_state *                      outer;
};

thread_local scope_state * active = nullptr;

// What the engine installed, called when no scope is active.
ggml_backend_buffer_type_i cpu_type;     // of the CPU buffer type
ggml_backend_buffer_i      cpu_buffer;   // of its buffers

struct repack_type {
    ggml_backend_buffer_type_t type;
    ggml_backend_buffer_type_i iface;
};
std::vector<repack_type> repack_types;

const repack_type & repack_of(ggml_backend_buffer_type_t type) {
    for (const auto & r : repack_types) {
        if (r.type == type) {
            return r;
        }
    }
    return repack_types.front();
}

// --- blocks from Go

void block_free(ggml_backend_buffer_t buffer) {
    block * b = (block *) buffer->context;
    if (active) { // an aborted creation frees what it has just taken
        for (auto & f : active->fresh) {
            if (f == buffer) {
                f = nullptr;
            }
        }
    }
    if (!b->measured) {
        goInferFree(b->home, b->data);
    }
    delete b;
    delete buffer; // this engine leaves that to the function that made it
}

void * block_base(ggml_backend_buffer_t buffer) {
    return ((block *) buffer->context)->data;
}

void block_clear(ggml_backend_buffer_t buffer, uint8_t value) {
    block * b = (block *) buffer->context;
    const bool zero = value == 0 && !b->cleared && !b->tagged;
    b->cleared = true;
    if (!zero && !b->measured) { // a fresh block is zero, and its pages need not be touched
        memset(b->data, value, buffer->size);
    }
}

enum ggml_status measured_init(ggml_backend_buffer_t buffer, ggml_tensor * tensor) {
    block * b = (block *) buffer->context;
    if (!tensor->view_src) {
        if (b->first.empty()) {
            b->first = tensor->name;
        }
        b->last = tensor->name;
    }
    return GGML_STATUS_SUCCESS;
}

// An address for blocks that are only measured: the engine compares it and adds to it.
void * const nowhere = (void *) (uintptr_t) (1 << 20);

ggml_backend_buffer_t block_new(ggml_backend_buffer_type_t type, size_t size) {
    const bool measure = active->scope.measure;
    void * data = measure ? nowhere : goInferAlloc(active->scope.home, size);
    if (!data) {
        return nullptr;
    }
    ggml_backend_buffer_i iface = cpu_buffer;
    if (measure) {
        iface.init_tensor = measured_init;
    }
    iface.free_buffer = block_free;
    iface.get_base    = block_base;
    iface.clear       = block_clear;
    ggml_backend_buffer_t buffer = ggml_backend_buffer_init(type, iface, new block{active->scope.home, data}, size);
    ((block *) buffer->context)->measured = measure;
    active->fresh.push_back(buffer);
    return buffer;
}

// --- weights that lie elsewhere

void unbound_free(ggml_backend_buffer_t buffer) {
    delete (unbound *) buffer->context;
    delete buffer;
}

void * unbound_base(ggml_backend_buffer_t buffer) {
    // Only ever compared with and added to: the tensors are pointed elsewhere.
    return ((unbound *) buffer->context)->weights->scratch;
}

enum ggml_status unbound_init(ggml_backend_buffer_t buffer, ggml_tensor * tensor) {
    unbound * u = (unbound *) buffer->context;
    if (u->init) {
        const enum ggml_status status = u->init(buffer, tensor);
        if (status != GGML_STATUS_SUCCESS) {
            return status;
        }
    }
    // Graphs make views of weights, which are initialised while sessions compute.
    if (tensor->view_src || !u->weights->loading) {
        return GGML_STATUS_SUCCESS;
    }
    if (ggml_nbytes(tensor) > u->weights->scratch_size) {
        return GGML_STATUS_FAILED;
    }
    tensor->data = u->weights->scratch;
    u->weights->tensors.push_back({tensor, u->repack, false});
    return GGML_STATUS_SUCCESS;
}

void unbound_set(ggml_backend_buffer_t, ggml_tensor *, const void *, size_t, size_t) {}
void unbound_memset(ggml_backend_buffer_t, ggml_tensor *, uint8_t, size_t, size_t) {}
void unbound_clear(ggml_backend_buffer_t, uint8_t) {}

ggml_backend_buffer_t unbound_new(ggml_backend_buffer_type_t type, size_t size) {
    active->record->reading = active->record->loading;
    ggml_backend_buffer_i iface = cpu_buffer;
    iface.free_buffer   = unbound_free;
    iface.get_base      = unbound_base;
    iface.init_tensor   = unbound_init;
    iface.set_tensor    = unbound_set;
    iface.memset_tensor = unbound_memset;
    iface.clear         = unbound_clear;
    return ggml_backend_buffer_init(type, iface, new unbound{active->record}, size);
}

// --- the CPU buffer type

ggml_backend_buffer_t cpu_alloc(ggml_backend_buffer_type_t type, size_t size) {
    if (active && active->record) {
        return unbound_new(type, size);
    }
    if (active && active->scope.home) {
        return block_new(type, size);
    }
    return cpu_type.alloc_buffer(type, size);
}

size_t max_size() {
    return active && active->scope.home && !active->record ? active->scope.max_block : SIZE_MAX;
}

size_t cpu_max_size(ggml_backend_buffer_type_t) {
    return max_size();
}

// --- the buffer types that repack

ggml_backend_buffer_t repack_alloc(ggml_backend_buffer_type_t type, size_t size) {
    ggml_backend_buffer_t buffer = repack_of(type).iface.alloc_buffer(type, size);
    if (buffer && active && active->record && buffer->iface.free_buffer == unbound_free) {
        // The engine's function took a buffer of the CPU type and put its own
        // init_tensor and set_tensor into it: keep both for later.
        unbound * u = (unbound *) buffer->context;
        u->init   = buffer->iface.init_tensor;
        u->repack = buffer->iface.set_tensor;
        buffer->iface.init_tensor = unbound_init;
        buffer->iface.set_tensor  = unbound_set;
    }
    return buffer;
}

size_t repack_max_size(ggml_backend_buffer_type_t) {
    return max_size();
}

// rows_of is a matrix like t of other rows.
ggml_tensor rows_of(const ggml_tensor & t, int64_t length, int64_t rows) {
    ggml_tensor m = t;
    m.ne[0] = length;
    m.ne[1] = rows;
    m.ne[2] = m.ne[3] = 1;
    m.nb[1] = ggml_row_size(t.type, length);
    m.nb[2] = m.nb[3] = m.nb[1] * rows;
    return m;
}

bool repack_is_host(ggml_backend_buffer_type_t type) {
    // While the engine reads, a host buffer is read into directly; otherwise it
    // stages each tensor in a block of its own size. The tensors have been
    // assigned by then, so the answer changes nothing else.
    if (active && active->record && active->record->reading) {
        return true;
    }
    const repack_type & r = repack_of(type);
    return r.iface.is_host && r.iface.is_host(type);
}

} // namespace

// --- what a measured graph uses

namespace {

// Where the results of a layout of pages lie that are written.
using ranges = std::vector<std::pair<size_t, size_t>>;

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

// The engine lays a graph out as if every token had a result. A prompt has one, at its end:
// the rows of the others are never written. They are those of what is computed from the
// selection: rows of a result that an input names.
void measured_graph(ggml_cgraph * graph) {
    if (!active || !active->scope.measure) {
        return;
    }
    std::unordered_map<ggml_backend_buffer_t, ranges> written;
    std::unordered_map<const ggml_tensor *, size_t>   selected; // and of how many rows
    std::unordered_map<const ggml_tensor *, bool>     seen;
    auto write = [&](const ggml_tensor * t, size_t rows) {
        if (t->view_src || !t->buffer || !t->data || std::exchange(seen[t], true)) {
            return;
        }
        for (ggml_backend_buffer_t buffer : active->fresh) {
            if (buffer == t->buffer && buffer->usage == GGML_BACKEND_BUFFER_USAGE_COMPUTE) {
                const size_t from = (char *) t->data - (char *) nowhere;
                written[buffer].emplace_back(from, from + (ggml_nbytes(t) + rows - 1) / rows);
            }
        }
    };
    for (int i = 0; i < ggml_graph_n_nodes(graph); i++) {
        ggml_tensor * t = ggml_graph_node(graph, i);
        size_t rows = 0;
        if (strcmp(ggml_op_name(t->op), "GET_ROWS") == 0 && t->src[1]->op == GGML_OP_NONE && t->src[0]->op != GGML_OP_NONE) {
            rows = t->src[1]->ne[0];
        }
        for (const ggml_tensor * s : t->src) {
            if (!s) {
                continue;
            }
            const auto found = selected.find(s);
            if (found != selected.end()) {
                rows = found->second;
            } else {
                write(s, 1); // an input, where it is not a node that was seen
            }
        }
        if (rows > 0) {
            selected[t] = rows;
        }
        write(t, std::max<size_t>(rows, 1));
    }
    for (ggml_backend_buffer_t buffer : active->fresh) {
        if (buffer && buffer->usage == GGML_BACKEND_BUFFER_USAGE_COMPUTE) {
            ((block *) buffer->context)->used = pages_of(written[buffer]);
        }
    }
    goInferWork(active->scope.home, ggml_graph_plan(graph, active->scope.measure, nullptr).work_size);
}

scope_guard::scope_guard(const infer_scope & s, infer_weights * record) {
    active = new scope_state{s, record, {}, active};
}

scope_guard::~scope_guard() {
    for (ggml_backend_buffer_t buffer : active->fresh) {
        if (!buffer) {
            continue;
        }
        block * b = (block *) buffer->context;
        b->tagged = true;
        int purpose = active->scope.purpose;
        if (buffer->usage == GGML_BACKEND_BUFFER_USAGE_COMPUTE) {
            purpose = INFER_PURPOSE_COMPUTE;
        } else if (b->cleared && purpose != INFER_PURPOSE_WEIGHTS) { // control vectors are cleared as well
            purpose = INFER_PURPOSE_KV;
        }
        if (b->measured) {
            goInferMeasured(b->home, buffer->size, std::min(b->used, buffer->size), purpose, const_cast<char *>(b->first.c_str()), const_cast<char *>(b->last.c_str()));
        } else {
            goInferTag(b->home, b->data, purpose);
        }
    }
    scope_state * done = active;
    active = done->outer;
    delete done;
}

void install_buffer_types() {
    ggml_backend_buffer_type_t cpu = ggml_backend_cpu_buffer_type();
    cpu_type = cpu->iface;
    ggml_backend_buffer_t sample = cpu_type.alloc_buffer(cpu, 1);
    if (!sample) {
        return; // not a byte left: the engine goes on as it is
    }
    cpu_buffer = sample->iface;
    sample->iface.free_buffer(sample);
    cpu->iface.alloc_buffer = cpu_alloc;
    cpu->iface.get_max_size = cpu_max_size;

    // The type of mapped weights, in which adapters of such weights are allocated.
    alignas(64) static char mapped[64];
    ggml_backend_buffer_t of_ptr = ggml_backend_cpu_buffer_from_ptr(mapped, sizeof mapped);
    if (of_ptr) {
        of_ptr->buft->iface.alloc_buffer = cpu_alloc;
        of_ptr->buft->iface.get_max_size = cpu_max_size;
        of_ptr->iface.free_buffer(of_ptr);
    }

    ggml_backend_dev_t dev = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    if (!dev) {
        return;
    }
    auto extra = (ggml_backend_dev_get_extra_bufts_t) ggml_backend_reg_get_proc_address(
        ggml_backend_dev_backend_reg(dev), "ggml_backend_dev_get_extra_bufts");
    if (!extra) {
        return;
    }
    for (ggml_backend_buffer_type_t * t = extra(dev); t && *t; t++) {
        repack_types.push_back({*t, (*t)->iface});
        (*t)->iface.alloc_buffer = repack_alloc;
        (*t)->iface.get_max_size = repack_max_size;
        (*t)->iface.is_host      = repack_is_host;
    }
}

size_t repack_type_count() {
    return repack_types.size();
}

} // namespace infer

using infer::guarded;
using infer::scope_guard;

extern "C" struct llama_model * infer_model_load(const char ** paths, size_t n_paths, struct llama_model_params params,
        infer_scope scope, infer_weights ** weights, void * scratch, size_t scratch_size, infer_error * err) {
    return guarded(err, (llama_model *) nullptr, [&]() -> llama_model * {
        infer_weights * record = nullptr;
        if (weights) {
            record = new infer_weights{{}, (char *) scratch, scratch_size};
        }
        llama_model * model = nullptr;
        try {
            scope_guard in(scope, record);
            model = n_paths == 1 ? llama_model_load_from_file(paths[0], params)
                                 : llama_model_load_from_splits(paths, n_paths, params);
        } catch (...) {
            delete record;
            throw;
        }
        if (!record) {
            return model;
        }
        if (!model) {
            delete record;
            return nullptr;
        }
        for (const auto & named : llama_internal_get_tensor_map(model)) {
            ggml_tensor * t = named.second;
            if (t->buffer && t->buffer->iface.free_buffer != infer::unbound_free) {
                record->tensors.push_back({t, nullptr, true});
            }
        }
        record->loading = record->reading = false;
        *weights = record;
        return model;
    });
}

extern "C" int64_t infer_tensor_rows(const llama_model * model, const char * name) {
    for (const auto & named : llama_internal_get_tensor_map(model)) {
        if (named.first == name) {
            return named.second->ne[1];
        }
    }
    return 0;
}

bool infer::reads_unbound() {
    return active && active->record && active->record->reading;
}

ggml_tensor * infer::weight(const infer_weights * w, size_t i) {
    return w->tensors[i].tensor;
}

extern "C" size_t infer_weights_count(const infer_weights * w) {
    return w->tensors.size();
}

extern "C" infer_weight infer_weights_at(const infer_weights * w, size_t i) {
    const recorded & r = w->tensors[i];
    const int kind = r.device ? INFER_WEIGHT_DEVICE : r.repack ? INFER_WEIGHT_REPACK : INFER_WEIGHT_HOST;
    return {r.tensor->name, ggml_nbytes(r.tensor), kind};
}

extern "C" void infer_weights_bind(infer_weights * w, size_t i, void * data) {
    w->tensors[i].tensor->data = data;
}

extern "C" bool infer_weights_repack(infer_weights * w, size_t i, void * dst, const void * src, infer_error * err) {
    return guarded(err, false, [&] {
        const recorded & r = w->tensors[i];
        r.tensor->data = dst;
        r.repack(r.tensor->buffer, r.tensor, src, 0, ggml_nbytes(r.tensor));
        return true;
    });
}

extern "C" infer_layout infer_weights_layout(const infer_weights * w, size_t i) {
    const recorded & r = w->tensors[i];
    const infer::unbound * u = (const infer::unbound *) r.tensor->buffer->context;
    infer_layout l = {r.tensor->type, r.tensor->ne[0], r.tensor->extra, 0};
    if (r.tensor->buffer->buft->iface.get_alloc_size || !u->init) {
        return l; // may take more room than the tensor
    }
    for (int64_t n = 1; n <= INFER_MOST_GROUP; n *= 2) {
        ggml_tensor t = infer::rows_of(*r.tensor, r.tensor->ne[0], n);
        t.extra = nullptr;
        if (u->init(t.buffer, &t) == GGML_STATUS_SUCCESS && t.extra && t.extra == r.tensor->extra) {
            l.group = n;
            break;
        }
    }
    return l;
}

extern "C" bool infer_weights_repack_rows(const infer_weights * w, size_t i, int64_t length, int64_t rows, void * dst, const void * src, infer_error * err) {
    return guarded(err, false, [&] {
        const recorded & r = w->tensors[i];
        ggml_tensor t = infer::rows_of(*r.tensor, length, rows);
        t.data = dst;
        r.repack(t.buffer, &t, src, 0, ggml_nbytes(&t));
        return true;
    });
}

extern "C" bool infer_weights_upload(infer_weights * w, size_t i, const void * src, size_t offset, size_t size, infer_error * err) {
    return guarded(err, false, [&] {
        ggml_backend_tensor_set(w->tensors[i].tensor, src, offset, size);
        return true;
    });
}

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
            // One that rows are taken of as well, as of tied embeddings, stays as it is.
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

extern "C" void infer_weights_free(infer_weights * w) {
    for (ggml_backend_buffer_t b : w->moved) {
        b->iface.free_buffer(b);
    }
    delete w;
}

extern "C" struct llama_context * infer_context_new(struct llama_model * model, struct llama_context_params params, infer_scope scope, infer_error * err) {
    return guarded(err, (llama_context *) nullptr, [&] {
        scope_guard in(scope);
        infer::backends_last order;
        return llama_init_from_model(model, params);
    });
}

extern "C" void infer_context_free(struct llama_context * ctx) {
    infer::backends_last order;
    llama_free(ctx);
}

extern "C" int32_t infer_decode(struct llama_context * ctx, struct llama_batch batch, infer_scope scope, infer_error * err) {
    return guarded(err, (int32_t) -4, [&] {
        scope_guard in(scope);
        return llama_decode(ctx, batch);
    });
}

extern "C" int32_t infer_encode(struct llama_context * ctx, struct llama_batch batch, infer_scope scope, infer_error * err) {
    return guarded(err, (int32_t) -4, [&] {
        scope_guard in(scope);
        return llama_encode(ctx, batch);
    });
}

extern "C" void infer_memory_settle(struct llama_context * ctx, infer_scope scope, infer_error * err) {
    guarded(err, false, [&] {
        scope_guard in(scope);
        return ctx->memory_update(false);
    });
}

extern "C" size_t infer_state_size(struct llama_context * ctx, llama_seq_id seq, infer_error * err) {
    return guarded(err, (size_t) 0, [&] {
        return seq < 0 ? llama_state_get_size(ctx) : llama_state_seq_get_size(ctx, seq);
    });
}

extern "C" size_t infer_state_get(struct llama_context * ctx, llama_seq_id seq, uint8_t * dst, size_t size, infer_error * err) {
    return guarded(err, (size_t) 0, [&] {
        return seq < 0 ? llama_state_get_data(ctx, dst, size) : llama_state_seq_get_data(ctx, dst, size, seq);
    });
}

extern "C" size_t infer_state_set(struct llama_context * ctx, llama_seq_id seq, const uint8_t * src, size_t size, infer_scope scope, infer_error * err) {
    return guarded(err, (size_t) 0, [&] {
        scope_guard in(scope);
        return seq < 0 ? llama_state_set_data(ctx, src, size) : llama_state_seq_set_data(ctx, src, size, seq);
    });
}

extern "C" float * infer_logits(struct llama_context * ctx, int32_t i, infer_error * err) {
    return guarded(err, (float *) nullptr, [&] { return llama_get_logits_ith(ctx, i); });
}

extern "C" float * infer_embedding(struct llama_context * ctx, int32_t i, infer_error * err) {
    return guarded(err, (float *) nullptr, [&] { return llama_get_embeddings_ith(ctx, i); });
}

extern "C" float * infer_embedding_seq(struct llama_context * ctx, llama_seq_id seq, infer_error * err) {
    return guarded(err, (float *) nullptr, [&] { return llama_get_embeddings_seq(ctx, seq); });
}

extern "C" size_t infer_repack_types(void) {
    return infer::repack_type_count();
}

extern "C" bool infer_abort_requested(void * flag) {
    return __atomic_load_n((const int *) flag, __ATOMIC_RELAXED) != 0;
}

extern "C" bool infer_progress(float, void * user_data) {
    return __atomic_load_n((const int *) user_data, __ATOMIC_RELAXED) == 0;
}

extern "C" bool infer_progress_report(float progress, void * user_data) {
    const infer_progress_data * d = (const infer_progress_data *) user_data;
    goInferProgress(d->report, progress);
    return infer_progress(progress, d->stop);
}
