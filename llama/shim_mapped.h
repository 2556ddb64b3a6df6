// What keeps a lost page of a mapped file from ending the process. See shim.h.

#ifndef INFER_SHIM_MAPPED_H
#define INFER_SHIM_MAPPED_H

#include "shim.h"

#ifdef __cplusplus
extern "C" {
#endif

// A piece of a mapped file whose lost pages are replaced by zeros, and counted. Not where
// another mapping may be put before infer_mapped_free.
typedef struct infer_mapped infer_mapped;

infer_mapped * infer_mapped_new(void * p, size_t size);
size_t         infer_mapped_lost(const infer_mapped * m); // bytes
void           infer_mapped_free(infer_mapped * m);

#ifdef __cplusplus
}
#endif

#endif
