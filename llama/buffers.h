// The engine's host memory. Internal to these C++ files, which share only this header:
//
//   scope.hpp         owns the scopes, which say where this thread's memory comes from during a call
//   buffer_types.hpp  owns the engine's original buffer type functions, saved once at the start
//   matmul.hpp        multiplications by kernels, and matmul_trial.hpp which of them are used
//   blocks.hpp        buffers whose memory comes from Go
//   weights.hpp       buffers without memory, for unbound weights; the list of those weights
//   devices.hpp       owns the buffer types of devices, and counts the memory of devices
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

// --- matmul_trial.hpp

// use_kernels lets this package's kernels compute with weights that a buffer type repacks, and with weights in
// the file's layout.
void use_kernels(ggml_backend_buffer_type_t type);

// --- blocks.hpp

// block is the context of a buffer whose memory came from Go.
struct block {
    uintptr_t home;
    void *    data;
    bool      cleared = false; // the engine has cleared it, as it does KV caches and recurrent state
    bool      tagged  = false; // Go knows its purpose
    bool      tensors = false; // tensors are in it: results have none

    const char * device  = nullptr; // of a measured block in a device's memory

    bool        measured = false; // data is no memory: the block is only recorded
    std::string first, last;      // names of a measured block's first and last tensor
    size_t      used = SIZE_MAX;  // bytes of a measured compute buffer that the last graph writes
};

// block_new allocates a block from the home of the active scope. It returns nullptr if Go refuses.
ggml_backend_buffer_t block_new(ggml_backend_buffer_type_t type, size_t size);

// block_measured returns a measured block in a device's memory.
ggml_backend_buffer_t block_measured(ggml_backend_buffer_type_t type, size_t size, const char * device);

// block_tell tells Go the purpose of a block, and the size of a measured one.
void block_tell(ggml_backend_buffer_t buffer, int purpose);

// --- weights.hpp

// unbound_new makes a buffer without memory, whose weights are recorded in the active scope.
ggml_backend_buffer_t unbound_new(ggml_backend_buffer_type_t type, size_t size);

// unbound_repacks saves the functions of a buffer type that repacks in such a buffer, to repack its
// weights later. It does not change other buffers.
void unbound_repacks(ggml_backend_buffer_t buffer, decltype(ggml_backend_buffer_i::init_tensor) init, decltype(ggml_backend_buffer_i::set_tensor) repack);

// unbound_on_device makes a buffer for weights that get memory of a device later.
ggml_backend_buffer_t unbound_on_device(ggml_backend_buffer_type_t type, size_t size);

// is_unplaced returns whether a weight of a device has no memory yet.
bool is_unplaced(const ggml_tensor * tensor);

// reads_unbound returns whether the engine is reading tensors of an unbound model on this thread.
bool reads_unbound();

// weight returns the tensor of weight i.
ggml_tensor * weight(const infer_weights * w, size_t i);

// --- devices.hpp

// install_device_types replaces functions of the buffer types of devices that it has not seen yet.
void install_device_types();

// device_tell tells Go the purpose of a buffer of a device. It returns false for other buffers.
bool device_tell(ggml_backend_buffer_t buffer, int purpose);

// device_name returns the name of the device with a type's buffers.
const char * device_name(ggml_backend_buffer_type_t type);

// alloc_size returns the bytes that a tensor takes in its buffer.
size_t alloc_size(const ggml_tensor * t);

// splits_uploads returns whether a weight in a device's memory may be uploaded piece by piece.
bool splits_uploads(const ggml_tensor * t);

// override_type returns the buffer type of a device, or of the CPU. It throws for unknown names.
ggml_backend_buffer_type_t override_type(const char * device);

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
