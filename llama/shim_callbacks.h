// Functions that the engine calls while it loads or computes. See shim.h.

#ifndef INFER_SHIM_CALLBACKS_H
#define INFER_SHIM_CALLBACKS_H

#include "shim.h"

#ifdef __cplusplus
extern "C" {
#endif

// An abort flag: *flag != 0 stops a computation at its next operation.
bool infer_abort_requested(void * flag);
// Progress callbacks. user_data of the first points to an int: != 0 stops the load.
// The second has an infer_progress_data, and reports to Go as well.
typedef struct infer_progress_data {
    void *    stop;
    uintptr_t report;
} infer_progress_data;
bool infer_progress(float progress, void * user_data);
bool infer_progress_report(float progress, void * user_data);

#ifdef __cplusplus
}
#endif

#endif
