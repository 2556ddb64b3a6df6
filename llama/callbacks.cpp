// Functions that the engine calls while it loads or computes. See callbacks.go.

#include "shim_callbacks.h"

extern "C" void goInferProgress(uintptr_t report, float progress);

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
