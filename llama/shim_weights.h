// Loading models, and the weights of those that are loaded without them. See shim.h.

#ifndef INFER_SHIM_WEIGHTS_H
#define INFER_SHIM_WEIGHTS_H

#include "shim.h"

#ifdef __cplusplus
extern "C" {
#endif

// Weights of a model that was loaded without them.
typedef struct infer_weights infer_weights;

typedef struct infer_weight {
    const char * name;
    size_t       size;
    int          kind;
    size_t       expert_size; // of a tensor of experts, or of other matrices side by side; 0: it is none
} infer_weight;

enum infer_weight_kind {
    INFER_WEIGHT_HOST = 0,  // to be pointed at its bytes
    INFER_WEIGHT_REPACK,    // to be repacked from its bytes into a block of the same size
    INFER_WEIGHT_DEVICE,    // to be uploaded
};

// Loads a model. With weights != NULL host weights are recorded instead of stored
// (the reads of the engine all go to scratch, scratch_size bytes) and *weights is
// owned by the caller; it must outlive neither the model nor its buffers.
struct llama_model * infer_model_load(const char ** paths, size_t n_paths, struct llama_model_params params,
        infer_scope scope, infer_weights ** weights, void * scratch, size_t scratch_size, infer_error * err);
size_t       infer_weights_count(const infer_weights * w);
infer_weight infer_weights_at(const infer_weights * w, size_t i);
void         infer_weights_bind(infer_weights * w, size_t i, void * data);
bool         infer_weights_repack(infer_weights * w, size_t i, void * dst, const void * src, infer_error * err);
// How a tensor to be repacked is laid out: by which of the engine's functions (traits tells
// them apart), and how many rows are laid out together, a power of two; 0: the layout is no
// sequence of groups of rows in the room that the tensor takes.
enum { INFER_MOST_GROUP = 64 };
typedef struct infer_layout {
    enum ggml_type type;
    int64_t        length; // of a row, in elements
    const void *   traits;
    int64_t        group;
} infer_layout;
infer_layout infer_weights_layout(const infer_weights * w, size_t i);
// Repacks rows of any length as that tensor's are, a multiple of the group.
bool         infer_weights_repack_rows(const infer_weights * w, size_t i, int64_t length, int64_t rows, void * dst, const void * src, infer_error * err);
bool         infer_weights_upload(infer_weights * w, size_t i, const void * src, size_t offset, size_t size, infer_error * err);
// Points all tensors at where those of another model are, in its layouts, or none.
bool         infer_weights_rebind(infer_weights * w, const infer_weights * like, infer_error * err);
void         infer_weights_free(infer_weights * w);

// infer_tensor_rows is the second dimension of a model's tensor, 0 where it has none of that name.
int64_t infer_tensor_rows(const struct llama_model * model, const char * name);

#ifdef __cplusplus
}
#endif

#endif
