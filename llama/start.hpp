// The start of an engine, and facts about it.

#include "buffers.h"

void infer_init(void) {
    llama_log_set([](enum ggml_log_level level, const char * text, void *) { infer::on_log(level, text); }, nullptr);
    ggml_set_abort_callback(infer::on_assert);
    llama_backend_init();
    infer::install_buffer_types();
}

uint32_t infer_type_count(void) {
    return GGML_TYPE_COUNT;
}
