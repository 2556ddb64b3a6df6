// Handling of lost pages of mapped files, which end the process by default. See shim.h.

#ifndef INFER_SHIM_MAPPED_H
#define INFER_SHIM_MAPPED_H

#include "shim.h"

#ifdef __cplusplus
extern "C" {
#endif

// A watched range of a mapped file: its lost pages are replaced by zeros and counted. No other
// mapping may be made in the range before infer_mapped_free.
typedef struct infer_mapped infer_mapped;

infer_mapped * infer_mapped_new(void * p, size_t size);
size_t         infer_mapped_lost(const infer_mapped * m); // bytes replaced
void           infer_mapped_free(infer_mapped * m);

#ifdef __cplusplus
}
#endif

#endif
