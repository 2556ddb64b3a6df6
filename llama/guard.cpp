#include "guard.h"

#include <atomic>
#include <cstdlib>

extern "C" void goInferLog(int level, char * text);

namespace infer {

static thread_local frame * top = nullptr;
static std::atomic<int>     log_level{GGML_LOG_LEVEL_CONT + 1};

frame::frame(infer_error * err) : err_(err), outer_(top) {
    err_->kind = INFER_OK;
    err_->what[0] = err_->log[0] = 0;
    top = this;
}

frame::~frame() {
    top = outer_;
}

frame * frame::current() {
    return top;
}

void frame::fail(int kind, const char * what) {
    err_->kind = kind;
    snprintf(err_->what, sizeof err_->what, "%s", what);
}

void frame::note(bool error, const char * text) {
    // Errors replace warnings: the first error discards the warnings so far.
    if (error && !errors_) {
        errors_ = true;
        len_    = 0;
    } else if (!error && errors_) {
        return;
    }
    // The first lines are kept: the reason comes before the lines "failed to ..." of its callers.
    const size_t left = sizeof err_->log - 1 - len_;
    const size_t n    = strnlen(text, left);
    memcpy(err_->log + len_, text, n);
    len_ += n;
    err_->log[len_] = 0;
}

void on_log(int level, const char * text) {
    static thread_local int last = GGML_LOG_LEVEL_INFO;
    if (level != GGML_LOG_LEVEL_CONT) {
        last = level;
    }
    if (top && last >= GGML_LOG_LEVEL_WARN) {
        top->note(last >= GGML_LOG_LEVEL_ERROR, text);
    }
    if (top) {
        top->see(text);
    }
    if (last >= log_level.load(std::memory_order_relaxed)) {
        goInferLog(last, const_cast<char *>(text));
    }
}

void on_assert(const char * message) {
    if (top) {
        throw assert_failure(message);
    }
    // On the engine's worker threads nothing could catch an exception. The engine aborts afterwards.
    fprintf(stderr, "%s\n", message);
}

} // namespace infer

extern "C" void infer_set_log_level(int level) {
    infer::log_level.store(level, std::memory_order_relaxed);
}
