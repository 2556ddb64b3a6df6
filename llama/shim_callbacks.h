// Functions that the engine calls while it loads or computes. See shim.h.

#ifndef INFER_SHIM_CALLBACKS_H
#define INFER_SHIM_CALLBACKS_H

#include "shim.h"

#ifdef __cplusplus
extern "C" {
#endif

// Abort callback. flag points to an int: a value other than 0 stops the computation before its
// next operation.
bool infer_abort_requested(void * flag);
// Progress callbacks. user_data of infer_progress points to an int: a value other than 0 stops the
// load. user_data of infer_progress_report is an infer_progress_data; it also reports to Go.
typedef struct infer_progress_data {
    void *    stop;   // the int
    uintptr_t report; // cgo.Handle
} infer_progress_data;
bool infer_progress(float progress, void * user_data);
bool infer_progress_report(float progress, void * user_data);

#ifdef __cplusplus
}
#endif

#endif
