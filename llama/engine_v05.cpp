// Engines of llama.cpp v0.5.x, loaded from shared libraries: this package's C++ compiled with their
// declarations, their table, and how they are loaded and checked.

#include "standard.h"

#include "abi_names.h"
#include "engine_table.h"
#include "entry.h"
#include "guard.h"
#include "imports.h"
#include "kernels.h"
#include "layout.h"
#include "library.h"
#include "shim_callbacks.h"
#include "grammar_machine.h"

namespace v05 {

#undef INFER_ABI_TYPES_H
#include "abi_types.h"
#include "abi_v05.h"

namespace prototypes {
#define INFER_PROTOTYPES_ONLY
#include "abi_functions.h"
} // namespace prototypes

struct infer_layers;
struct infer_pieces;
struct infer_sampler;
struct infer_streams;
struct infer_weights;

namespace infer {
using namespace ::infer;
}

#include "v05.hpp"
#include "engine.hpp"
#include "v05_redirect.hpp"
#include "v05_check.hpp"

bool infer_backends_fit(const char *, infer_error * err) {
    return infer::guarded(err, false, []() -> bool { throw std::runtime_error("an engine that was loaded from a folder has loaded the backends there"); });
}

namespace {

std::vector<std::unique_ptr<infer::library>> libraries;

void open(const char * path) {
    auto lib = std::make_unique<infer::library>(path);
    if (!lib->loaded()) {
        throw std::runtime_error(infer::library::error());
    }
    libraries.push_back(std::move(lib));
}

void * find(const char * name) {
    for (auto & lib : libraries) {
        if (void * f = lib->find(name)) {
            return f;
        }
    }
    return nullptr;
}

template <typename F> void set(F & pointer, const char * name) {
    pointer = (F) find(name);
}

void set_all() {
#define SET(name) set(name, #name);
    INFER_ABI_NAMES(SET)
#undef SET
#define SET(result, name, parameters) set(changed::name, #name);
    INFER_V05_FUNCTIONS(SET)
#undef SET
#ifdef __GLIBCXX__
    set(infer::internal_tensor_map, "_Z29llama_internal_get_tensor_mapB5cxx11PK11llama_model");
#endif
#ifndef _WIN32
    set(infer::internal_memory_update, "_ZN13llama_context13memory_updateEb");
    set(infer::internal_graph, "_ZN13llama_context15get_gf_res_prevEv");
    set(infer::internal_graph_reset, "_ZN16llm_graph_result5resetEv");
    set(infer::internal_barrier, "ggml_barrier");
    set(infer::internal_quantizer_q8_K, "quantize_row_q8_K");
    set(infer::internal_supports_op, "_ZN4ggml3cpu6repack17extra_buffer_type11supports_opEP19ggml_backend_devicePK11ggml_tensor");
    set(infer::internal_get_operation, "_ZN4ggml3cpu6repack17extra_buffer_type17get_tensor_traitsEPK11ggml_tensor");
    set(infer::internal_compute_q4_0, "_ZN4ggml3cpu6repack13tensor_traitsI10block_q4_0Ll8ELl8EL9ggml_type8EE15compute_forwardEP19ggml_compute_paramsP11ggml_tensor");
    set(infer::internal_compute_q4_K, "_ZN4ggml3cpu6repack13tensor_traitsI10block_q4_KLl8ELl8EL9ggml_type15EE15compute_forwardEP19ggml_compute_paramsP11ggml_tensor");
#endif
}

// lacking returns the names of functions that no library has.
std::string lacking() {
    std::string names;
#define LACKS(name) if (!name) names += names.empty() ? #name : ", " #name;
    INFER_ABI_NAMES(LACKS)
#undef LACKS
#define LACKS(result, name, parameters) if (!changed::name) names += names.empty() ? #name : ", " #name;
    INFER_V05_FUNCTIONS(LACKS)
#undef LACKS
    return names;
}

infer_engine table;

void load(const char * ggml_base, const char * ggml, const char * llama, const char * const * folders, size_t n) {
    for (const char * path : {ggml_base, ggml, llama}) {
        open(path);
    }
    set_all();
    const std::string reason = check();
    if (!reason.empty()) {
        throw std::runtime_error(reason);
    }
    for (auto & lib : libraries) { // backends refer to them from now on
        lib->keep();
    }
    infer::log_here();
    for (size_t i = 0; i < n; i++) {
        ggml_backend_load_all_from_path(folders[i]);
    }
    ggml_backend_dev_t cpu = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    if (!cpu) {
        throw std::runtime_error("it has no library for this CPU (libggml-cpu)");
    }
    // The functions of the library that was chosen for this CPU.
    const std::string path = infer::library::containing(ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(cpu), "ggml_threadpool_new"));
    if (path.empty()) {
        throw std::runtime_error("its library for this CPU has no function ggml_threadpool_new");
    }
    open(path.c_str());
    set_all();
    const std::string names = lacking();
    if (!names.empty()) {
        throw std::runtime_error("it lacks functions: " + names);
    }
    const std::string other = check_cpu();
    if (!other.empty()) {
        throw std::runtime_error(other);
    }
    libraries.back()->keep();
    infer::redirect_all(find);
#define INFER_SHIM(result, name, parameters, arguments) table.name = infer::entry<decltype(table.name)>(&v05::name);
#define INFER_ENGINE(result, name, parameters, arguments) table.name = infer::entry<decltype(table.name)>(v05::name);
    INFER_SHIM_FUNCTIONS(INFER_SHIM)
    INFER_ENGINE_FUNCTIONS(INFER_ENGINE)
}

} // namespace

} // namespace v05

extern "C" bool infer_load_v05(const char * ggml_base, const char * ggml, const char * llama, const char * const * folders, size_t n, infer_error * err) {
    const bool ok = infer::guarded(err, false, [&] {
        v05::load(ggml_base, ggml, llama, folders, n);
        infer_use(&v05::table);
        return true;
    });
    if (!ok) {
        v05::libraries.clear();
    }
    return ok;
}
