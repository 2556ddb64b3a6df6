// The engine's host memory. Internal to these C++ files, which share only this header:
//
//   scope.cpp         owns the scopes: where memory comes from while a call runs, by thread
//   buffer_types.cpp  owns what the engine had installed in its buffer types, written once
//   blocks.cpp        buffers whose memory comes from Go
//   weights.cpp       buffers of weights that lie elsewhere, and what is known of those weights
//   measure.cpp       what a context would use, where blocks are told about instead of taken

#ifndef INFER_BUFFERS_H
#define INFER_BUFFERS_H

#include "guard.h"
#include "shim_weights.h"

#include <string>
#include <vector>

namespace infer {

// --- scope.cpp

// scope has the settings of a thread while a call of the engine runs.
struct scope {
    infer_scope                        from;
    infer_weights *                    record; // weights that are loaded; nullptr: none
    std::vector<ggml_backend_buffer_t> fresh;  // blocks taken in it; nullptr: freed again
    scope *                            outer;
};

// active is the innermost scope of this thread, nullptr where the engine was not called by
// this package.
scope * active();

// scope_guard makes a scope the active one of this thread while it lives, and afterwards
// tells Go the purposes of the blocks that were taken.
class scope_guard {
public:
    explicit scope_guard(const infer_scope & from, infer_weights * record = nullptr);
    ~scope_guard();
    scope_guard(const scope_guard &) = delete;
    scope_guard & operator=(const scope_guard &) = delete;

private:
    scope scope_;
};

// --- buffer_types.cpp

// install_buffer_types puts this package's functions into the engine's buffer types.
void install_buffer_types();

// engine_buffer are the functions of the engine's own CPU buffers.
const ggml_backend_buffer_i & engine_buffer();

// repack_alloc makes a buffer of a type that repacks weights.
ggml_backend_buffer_t repack_alloc(ggml_backend_buffer_type_t type, size_t size);

// --- blocks.cpp

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

// block_new takes a block from the home of the active scope; nullptr where it is refused.
ggml_backend_buffer_t block_new(ggml_backend_buffer_type_t type, size_t size);

// block_tell tells Go the purpose of a block, or that it was measured.
void block_tell(ggml_backend_buffer_t buffer, int purpose);

// --- weights.cpp

// unbound_new makes a buffer of weights that lie elsewhere, recorded in the active scope.
ggml_backend_buffer_t unbound_new(ggml_backend_buffer_type_t type, size_t size);

// unbound_repacks keeps the functions that the engine put into such a buffer, to repack its
// weights later. Other buffers stay as they are.
void unbound_repacks(ggml_backend_buffer_t buffer);

// reads_unbound tells whether what the engine reads on this thread are tensors that lie
// elsewhere.
bool reads_unbound();

// weight is the tensor that an unbound model's weight is.
ggml_tensor * weight(const infer_weights * w, size_t i);

// --- measure.cpp

// An address for blocks that are only measured: the engine compares it and adds to it.
constexpr uintptr_t measured_base = 1 << 20;

// measured_init notes the tensors that are put into a measured block.
enum ggml_status measured_init(ggml_backend_buffer_t buffer, ggml_tensor * tensor);

// measured_graph notes which pages of the compute buffers a graph writes that is laid out in
// them, while contexts are measured, and its work buffer.
void measured_graph(::ggml_cgraph * graph);

} // namespace infer

#endif
