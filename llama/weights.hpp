// Unbound weights. The engine loads a model into buffers without memory. Their tensors are recorded
// and bound to their bytes later.

#include "weights.h"

#include <algorithm>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace infer {

namespace {

// unbound is the context of a buffer without memory.
struct unbound {
    infer_weights * weights;
    init_tensor_fn  init   = nullptr;
    set_tensor_fn   repack = nullptr;
    bool            device = false;
};

void unbound_free(ggml_backend_buffer_t buffer) {
    delete (unbound *) buffer->context;
    free_structure(buffer);
}

void * unbound_base(ggml_backend_buffer_t buffer) {
    // The engine compares this address and adds to it, but does not dereference the sum: tensors
    // are bound to other addresses.
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
    // Graphs initialise their views of weights here, too, while contexts compute.
    if (tensor->view_src || !u->weights->loading) {
        return GGML_STATUS_SUCCESS;
    }
    if (ggml_nbytes(tensor) > u->weights->scratch_size) {
        return GGML_STATUS_FAILED;
    }
    tensor->data = u->weights->scratch;
    u->weights->tensors.push_back({tensor, u->repack, u->device, false});
    return GGML_STATUS_SUCCESS;
}

void unbound_set(ggml_backend_buffer_t, ggml_tensor *, const void *, size_t, size_t) {}
void unbound_memset(ggml_backend_buffer_t, ggml_tensor *, uint8_t, size_t, size_t) {}
void unbound_clear(ggml_backend_buffer_t, uint8_t) {}

llama_model_params native(const infer_model_params & p) {
    llama_model_params n = llama_model_default_params();
    n.n_gpu_layers                = p.n_gpu_layers;
    n.split_mode                  = (enum llama_split_mode) p.split_mode;
    n.main_gpu                    = p.main_gpu;
    n.tensor_split                = p.tensor_split;
    n.progress_callback           = p.progress_callback;
    n.progress_callback_user_data = p.progress_callback_user_data;
    n.vocab_only                  = p.vocab_only;
    n.check_tensors               = p.check_tensors;
    n.use_extra_bufts             = p.use_extra_bufts;
    n.no_host                     = p.no_host;
    set_load_mode(n, p.use_mmap);
    if (p.n_gpu_layers == 0 && !p.uses_devices) {
        static ggml_backend_dev_t none[] = {nullptr};
        n.devices = none; // otherwise contexts take memory of devices too
    }
    return n;
}

// rows_of returns t as a matrix of rows of length elements.
ggml_tensor rows_of(const ggml_tensor & t, int64_t length, int64_t rows) {
    ggml_tensor m = t;
    m.ne[0] = length;
    m.ne[1] = rows;
    m.ne[2] = m.ne[3] = 1;
    m.nb[1] = ggml_row_size(t.type, length);
    m.nb[2] = m.nb[3] = m.nb[1] * rows;
    return m;
}

// own_size returns whether the layout of a tensor has a size of its own.
bool own_size(const recorded & r) {
    return r.repack && r.tensor->buffer->buft->iface.get_alloc_size;
}

// settle goes through the tensors of layouts with sizes of their own, which is AMX's. It copies types
// without blocks, converts only the first matrix of several, and counts bytes in an int: tensors for which
// that is wrong keep the file's bytes.
void settle(infer_weights * w) {
    ggml_backend_buffer_t plain = nullptr;
    for (recorded & r : w->tensors) {
        if (!own_size(r)) {
            continue;
        }
        ggml_tensor * t = r.tensor;
        r.copies = ggml_blck_size(t->type) == 1;
        if (r.copies || (t->ne[2] == 1 && t->ne[3] == 1 && alloc_size(t) >= ggml_nbytes(t) && alloc_size(t) <= INT32_MAX)) {
            continue;
        }
        if (!plain) {
            scope_guard in({}, w);
            plain = unbound_new(ggml_backend_cpu_buffer_type(), 1);
            plain->usage = GGML_BACKEND_BUFFER_USAGE_WEIGHTS;
            w->moved.push_back(plain);
        }
        t->buffer = plain;
        t->extra  = nullptr;
        r.repack  = nullptr;
    }
}

// converted returns n rows of a tensor's type after repacking, in memory that was filled with a byte.
std::vector<char> converted(const recorded & r, int64_t n, const std::vector<char> & src, int fill) {
    ggml_tensor t = rows_of(*r.tensor, INFER_SAMPLE_LENGTH, n);
    std::vector<char> dst(alloc_size(&t), (char) fill);
    t.data = dst.data();
    r.repack(t.buffer, &t, src.data(), 0, ggml_nbytes(&t));
    return dst;
}

// group_of returns how many rows a layout interleaves, found by converting some. 0: the rows cannot be
// converted in groups.
int64_t group_of(const recorded & r) {
    static std::mutex mutex;
    static std::unordered_map<const void *, std::unordered_map<int, int64_t>> known; // by traits and type
    const std::lock_guard<std::mutex> lock(mutex);
    auto & groups = known[r.tensor->extra];
    const auto found = groups.find(r.tensor->type);
    if (found != groups.end()) {
        return found->second;
    }
    const ggml_tensor all = rows_of(*r.tensor, INFER_SAMPLE_LENGTH, INFER_MOST_GROUP);
    std::vector<char> src(ggml_nbytes(&all));
    uint32_t x = 1;
    for (char & c : src) {
        x = x * 1664525 + 1013904223;
        c = (char) (x >> 24);
    }
    const std::vector<char> whole = converted(r, INFER_MOST_GROUP, src, 0);
    int64_t group = 0;
    for (int64_t n = 1; n <= INFER_MOST_GROUP && group == 0; n *= 2) {
        const std::vector<char> first = converted(r, n, src, 0), again = converted(r, n, src, 255);
        if (first == again && first.size() == whole.size() / INFER_MOST_GROUP * n && std::equal(first.begin(), first.end(), whole.begin())) {
            group = n;
        }
    }
    return groups[r.tensor->type] = group;
}

} // namespace

static ggml_backend_buffer_t unbound_buffer(ggml_backend_buffer_type_t type, ggml_backend_buffer_i iface, bool device, size_t size) {
    infer_weights * weights = active()->record;
    weights->reading = weights->loading;
    iface.free_buffer   = unbound_free;
    iface.get_base      = unbound_base;
    iface.init_tensor   = unbound_init;
    iface.set_tensor    = unbound_set;
    iface.memset_tensor = unbound_memset;
    iface.clear         = unbound_clear;
    unbound * u = new unbound{weights};
    u->device = device;
    return ggml_backend_buffer_init(type, iface, u, size);
}

ggml_backend_buffer_t unbound_new(ggml_backend_buffer_type_t type, size_t size) {
    return unbound_buffer(type, engine_buffer(), false, size);
}

ggml_backend_buffer_t unbound_on_device(ggml_backend_buffer_type_t type, size_t size) {
    return unbound_buffer(type, {}, true, size);
}

bool is_unplaced(const ggml_tensor * tensor) {
    return tensor->buffer && tensor->buffer->iface.free_buffer == unbound_free && ((const unbound *) tensor->buffer->context)->device;
}

void unbound_repacks(ggml_backend_buffer_t buffer, init_tensor_fn init, set_tensor_fn repack) {
    if (buffer->iface.free_buffer != unbound_free) {
        return;
    }
    unbound * u = (unbound *) buffer->context;
    u->init   = init;
    u->repack = repack;
    buffer->iface.init_tensor = unbound_init;
    buffer->iface.set_tensor  = unbound_set;
}

bool reads_unbound() {
    const scope * s = active();
    return s && s->record && s->record->reading;
}

ggml_tensor * weight(const infer_weights * w, size_t i) {
    return w->tensors[i].tensor;
}

} // namespace infer

using infer::guarded;
using infer::scope_guard;

struct llama_model * infer_model_load(const char ** paths, size_t n_paths, infer_model_params params,
        infer_scope scope, infer_weights ** weights, void * scratch, size_t scratch_size, infer_error * err) {
    return guarded(err, (llama_model *) nullptr, [&]() -> llama_model * {
        infer_weights * record = nullptr;
        if (weights) {
            record = new infer_weights{{}, (char *) scratch, scratch_size};
        }
        llama_model_params native = infer::native(params);
        std::vector<llama_model_tensor_buft_override> overrides;
        for (size_t i = 0; i < params.n_overrides; i++) {
            overrides.push_back({params.patterns[i], infer::override_type(params.devices[i])});
        }
        if (!overrides.empty()) {
            overrides.push_back({nullptr, nullptr});
            native.tensor_buft_overrides = overrides.data();
        }
        llama_model * model = nullptr;
        try {
            scope_guard in(scope, record);
            model = n_paths == 1 ? llama_model_load_from_file(paths[0], native)
                                 : llama_model_load_from_splits(paths, n_paths, native);
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
        for (const auto & named : infer::tensors_of(model)) {
            ggml_tensor * t = named.second;
            if (t->buffer && t->buffer->iface.free_buffer != infer::unbound_free) {
                record->tensors.push_back({t, nullptr, true, false});
            }
        }
        infer::settle(record);
        record->loading = record->reading = false;
        *weights = record;
        return model;
    });
}

static int64_t second_dimension(const llama_model * model, const std::string & name) {
    for (const auto & named : infer::tensors_of(model)) {
        if (named.first == name) {
            return named.second->ne[1];
        }
    }
    return 0;
}

int64_t infer_tensor_rows(const llama_model * model, const char * name) {
    return second_dimension(model, name);
}

int64_t infer_positions(const llama_model * model) {
    if (infer::tensors_of(model).empty() && llama_model_rope_type(model) == LLAMA_ROPE_TYPE_NONE) {
        return llama_model_n_ctx_train(model); // the engine does not tell; if there is a table, it has this length
    }
    return second_dimension(model, "position_embd.weight");
}

size_t infer_weights_count(const infer_weights * w) {
    return w->tensors.size();
}

infer_weight infer_weights_at(const infer_weights * w, size_t i) {
    const recorded & r = w->tensors[i];
    const bool repack = r.repack && !r.copies;
    const int  kind   = r.device ? INFER_WEIGHT_DEVICE : repack ? INFER_WEIGHT_REPACK : INFER_WEIGHT_HOST;
    const ggml_tensor * t = r.tensor;
    const bool whole = r.device && !infer::splits_uploads(t);
    return {t->name, ggml_nbytes(t), repack ? infer::alloc_size(t) : ggml_nbytes(t), kind, t->ne[2] > 1 && t->ne[3] == 1 ? t->nb[2] : 0,
        r.device ? infer::device_name(t->buffer->buft) : "", r.device ? infer::alloc_size(t) : 0, whole};
}

void infer_weights_bind(infer_weights * w, size_t i, void * data) {
    w->tensors[i].tensor->data = data;
}

bool infer_weights_repack(infer_weights * w, size_t i, void * dst, const void * src, infer_error * err) {
    return guarded(err, false, [&] {
        const recorded & r = w->tensors[i];
        r.tensor->data = dst;
        r.repack(r.tensor->buffer, r.tensor, src, 0, ggml_nbytes(r.tensor));
        return true;
    });
}

infer_layout infer_weights_layout(const infer_weights * w, size_t i) {
    const recorded & r = w->tensors[i];
    const infer::unbound * u = (const infer::unbound *) r.tensor->buffer->context;
    infer_layout l = {(enum ::ggml_type) r.tensor->type, r.tensor->ne[0], r.tensor->extra, 0, ggml_row_size(r.tensor->type, r.tensor->ne[0]), ggml_row_size(r.tensor->type, INFER_SAMPLE_LENGTH)};
    if (!u->init) {
        return l;
    }
    if (infer::own_size(r)) {
        const ggml_tensor sample = infer::rows_of(*r.tensor, INFER_SAMPLE_LENGTH, INFER_MOST_GROUP);
        l.row        = infer::alloc_size(r.tensor) / r.tensor->ne[1];
        l.sample_row = infer::alloc_size(&sample) / INFER_MOST_GROUP;
        l.group      = l.row * r.tensor->ne[1] == infer::alloc_size(r.tensor) ? infer::group_of(r) : 0;
        return l;
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

bool infer_weights_repack_rows(const infer_weights * w, size_t i, int64_t length, int64_t rows, void * dst, const void * src, infer_error * err) {
    return guarded(err, false, [&] {
        const recorded & r = w->tensors[i];
        ggml_tensor t = infer::rows_of(*r.tensor, length, rows);
        t.data = dst;
        r.repack(t.buffer, &t, src, 0, ggml_nbytes(&t));
        return true;
    });
}

bool infer_weights_upload(infer_weights * w, size_t i, const void * src, size_t offset, size_t size, infer_error * err) {
    return guarded(err, false, [&] {
        ggml_tensor * t = w->tensors[i].tensor;
        if (infer::is_unplaced(t)) {
            throw std::runtime_error(std::string("tensor ") + t->name + " has no memory yet");
        }
        ggml_backend_tensor_set(t, src, offset, size);
        return true;
    });
}

void infer_weights_free(infer_weights * w) {
    for (ggml_backend_buffer_t b : w->moved) {
        infer::free_buffer(b);
    }
    delete w;
}
