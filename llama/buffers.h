// The engine's host memory. Internal to these C++ files, which share only this header:
//
//   scope.hpp         owns the scopes, which say where this thread's memory comes from during a call
//   buffer_types.hpp  owns the engine's original buffer type functions, saved once at the start
//   blocks.hpp        buffers whose memory comes from Go
//   weights.hpp       buffers without memory, for unbound weights; the list of those weights
//   measure.hpp       measures a context: blocks are recorded and not allocated

#ifndef INFER_BUFFERS_H
#define INFER_BUFFERS_H

#include "guard.h"
#include "shim_weights.h"

#include <string>
#include <vector>

namespace infer {

// --- scope.hpp

// scope has the memory settings of this thread during a call of the engine.
struct scope {
    infer_scope                        from;
    infer_weights *                    record; // where weights that are loaded are recorded, or nullptr
    std::vector<ggml_backend_buffer_t> fresh;  // blocks allocated in this scope; nullptr: freed already
    scope *                            outer;
};

// active returns the innermost scope of this thread, nullptr outside of this package's calls.
scope * active();

// scope_guard makes a scope the active one of this thread during its lifetime. Its destructor tells
// Go the purposes of the blocks that were allocated.
class scope_guard {
public:
    explicit scope_guard(const infer_scope & from, infer_weights * record = nullptr);
    ~scope_guard();
    scope_guard(const scope_guard &) = delete;
    scope_guard & operator=(const scope_guard &) = delete;

private:
    scope scope_;
};

// --- buffer_types.hpp

// install_buffer_types replaces functions of the engine's buffer types by this package's.
void install_buffer_types();

// engine_buffer returns the engine's original functions of CPU buffers.
const ggml_backend_buffer_i & engine_buffer();

// repack_alloc allocates a buffer of a type that repacks weights.
ggml_backend_buffer_t repack_alloc(ggml_backend_buffer_type_t type, size_t size);

// --- blocks.hpp

// block is the context of a buffer whose memory came from Go.
struct block {
    uintptr_t home;
    void *    data;
    bool      cleared = false; // the engine has cleared it, as it does KV caches and recurrent state
    bool      tagged  = false; // Go knows its purpose
    bool      tensors = false; // tensors are in it: results have none

    bool        measured = false; // data is no memory: the block is only recorded
    std::string first, last;      // names of a measured block's first and last tensor
    size_t      used = SIZE_MAX;  // bytes of a measured compute buffer that the last graph writes
};

// block_new allocates a block from the home of the active scope. It returns nullptr if Go refuses.
ggml_backend_buffer_t block_new(ggml_backend_buffer_type_t type, size_t size);

// block_tell tells Go the purpose of a block, and the size of a measured one.
void block_tell(ggml_backend_buffer_t buffer, int purpose);

// --- weights.hpp

// unbound_new makes a buffer without memory, whose weights are recorded in the active scope.
ggml_backend_buffer_t unbound_new(ggml_backend_buffer_type_t type, size_t size);

// unbound_repacks saves the repacking functions of such a buffer, to repack its weights later. It
// does not change other buffers.
void unbound_repacks(ggml_backend_buffer_t buffer);

// reads_unbound returns whether the engine is reading tensors of an unbound model on this thread.
bool reads_unbound();

// weight returns the tensor of weight i.
ggml_tensor * weight(const infer_weights * w, size_t i);

// --- measure.hpp

// Address of measured blocks. The engine compares it and adds to it, but does not dereference it.
constexpr uintptr_t measured_base = 1 << 20;

// measured_init records the names of the tensors in a measured block.
enum ggml_status measured_init(ggml_backend_buffer_t buffer, ggml_tensor * tensor);

// measured_graph records how many bytes of the measured compute buffers a graph writes, in whole pages.
void measured_graph(ggml_cgraph * graph);

// measured_work records the size of a graph's work buffer.
void measured_work(ggml_cgraph * graph);

} // namespace infer

#endif
