// What tells Go of layers, and where streamed weights are. See shim.h.

#ifndef INFER_SHIM_LAYERS_H
#define INFER_SHIM_LAYERS_H

#include "shim_weights.h"

#ifdef __cplusplus
extern "C" {
#endif

// Which weights of a model are streamed, and where each is while its layer is in memory.
// Not to be changed while a context computes.
typedef struct infer_streams infer_streams;

infer_streams * infer_streams_new(void);
void            infer_streams_free(infer_streams * s);
bool            infer_streams_any(const infer_streams * s); // tensors that are streamed
// Weight i belongs to a layer and to a slot from now on, to none with nullptr.
bool            infer_streams_set(infer_streams * s, const infer_weights * w, size_t i, int layer, void * slot, infer_error * err);

// Weight i holds the experts of a layer, of which chosen ones are in slots of stride bytes from
// base on; with 0 slots it is where it is bound.
bool infer_streams_set_experts(infer_streams * s, const infer_weights * w, size_t i, int layer, void * base, size_t stride, int slots, infer_error * err);

// What a context tells Go of layers (a handle): the user data of the eval callback.
typedef struct infer_layers infer_layers;

infer_layers * infer_layers_new(uintptr_t layers, infer_streams * streams, bool watched); // watched: all choices of experts are told
void           infer_layers_free(infer_layers * l);
void           infer_layers_begin(infer_layers * l); // before each pass
bool           infer_eval(struct ggml_tensor * tensor, bool ask, void * user_data);

#ifdef __cplusplus
}
#endif

#endif
