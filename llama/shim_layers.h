// Slots of streamed weights and of experts, and the callback that tells Go which layer is computed.
// See shim.h.

#ifndef INFER_SHIM_LAYERS_H
#define INFER_SHIM_LAYERS_H

#include "shim_weights.h"

#ifdef __cplusplus
extern "C" {
#endif

// The streamed weights of a model and their slots. Must not be changed while a context computes.
typedef struct infer_streams infer_streams;

infer_streams * infer_streams_new(void);
void            infer_streams_free(infer_streams * s);
bool            infer_streams_any(const infer_streams * s); // whether any tensor has a slot
// Streams weight i as part of a layer through slot; a null slot ends that.
bool            infer_streams_set(infer_streams * s, const infer_weights * w, size_t i, int layer, void * slot, infer_error * err);

// Gives weight i, which holds the experts of a layer, slots: slot n is at base + n * stride. With
// 0 slots the engine uses the bytes to which the weight is bound.
bool infer_streams_set_experts(infer_streams * s, const infer_weights * w, size_t i, int layer, void * base, size_t stride, int slots, infer_error * err);

// The state of a context's layers during a pass, and user data of infer_eval.
typedef struct infer_layers infer_layers;

// layers is a cgo.Handle, which the caller deletes after the context. watched: Go is called when
// experts are chosen, also in layers without slots.
infer_layers * infer_layers_new(uintptr_t layers, infer_streams * streams, bool watched);
void           infer_layers_free(infer_layers * l);
void           infer_layers_begin(infer_layers * l); // must be called before each pass
// The context's eval callback.
bool           infer_eval(struct ggml_tensor * tensor, bool ask, void * user_data);

#ifdef __cplusplus
}
#endif

#endif
