// The start of an engine, and facts about it.

#include "buffers.h"

namespace infer {

// log_here sends the engine's log to Go.
void log_here() {
    llama_log_set([](enum ggml_log_level level, const char * text, void *) { on_log(level, text); }, nullptr);
}

} // namespace infer

void infer_init(void) {
    infer::log_here();
    ggml_set_abort_callback(infer::on_assert);
    llama_backend_init();
    infer::install_buffer_types();
    infer::install_device_types();
}

const char * infer_version(void) {
    return infer::version();
}

uint32_t infer_type_count(void) {
    return GGML_TYPE_COUNT;
}
