// The compiled-in engine: this package's C++ compiled with its declarations, and its table.

#include "standard.h"

#include "abi_builtin.h"
#include "engine_table.h"
#include "entry.h"
#include "guard.h"
#include "kernels.h"
#include "layout.h"
#include "library.h"
#include "shim_callbacks.h"
#include "grammar_machine.h"

// Internal functions and methods of llama.cpp. abi_test.go and lora_abi_test.go compare them with its
// source.
const std::vector<std::pair<std::string, ggml_tensor *>> & llama_internal_get_tensor_map(const llama_model * model);

extern "C" void ggml_barrier(struct ggml_threadpool * threadpool);
extern "C" void quantize_row_q8_K(const float * x, void * y, int64_t n);

class llm_graph_result {
public:
    void reset();
};

struct llama_context {
    bool memory_update(bool optimize);
    llm_graph_result * get_gf_res_reserve() const;
};

namespace builtin {

struct infer_layers;
struct infer_pieces;
struct infer_sampler;
struct infer_streams;
struct infer_weights;

namespace infer {
using namespace ::infer;
}

#include "free.hpp"
#include "builtin.hpp"
#include "engine.hpp"
#include "wrap.hpp"
#include "read.hpp"
#include "backends.hpp"

} // namespace builtin

#define INFER_SHIM(result, name, parameters, arguments) infer::entry<decltype(infer_engine::name)>(builtin::name),
#define INFER_ENGINE(result, name, parameters, arguments) name,

const infer_engine infer_builtin = {
    INFER_SHIM_FUNCTIONS(INFER_SHIM)
    INFER_ENGINE_FUNCTIONS(INFER_ENGINE)
};
