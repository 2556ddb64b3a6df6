// Loading of models, and binding of their weights. See shim.h.

#ifndef INFER_SHIM_WEIGHTS_H
#define INFER_SHIM_WEIGHTS_H

#include "shim.h"

#ifdef __cplusplus
extern "C" {
#endif

// Weights of an unbound model: one that was loaded without its weights.
typedef struct infer_weights infer_weights;

typedef struct infer_weight {
    const char * name;
    size_t       size;        // bytes in the model's file
    size_t       stored;      // bytes in its layout, where it is repacked
    int          kind;        // infer_weight_kind
    size_t       expert_size; // bytes of each matrix in a tensor of several, such as experts; 0: one matrix
    const char * device;      // whose memory it is in; "": in host memory
    size_t       device_size; // bytes in that memory
    bool         whole;       // must be uploaded in one piece
} infer_weight;

enum infer_weight_kind {
    INFER_WEIGHT_HOST = 0,  // must be bound to its bytes
    INFER_WEIGHT_REPACK,    // must be repacked from its bytes into a block of the stored size
    INFER_WEIGHT_DEVICE,    // must be uploaded
};

// Parameters of a model. The fields have the meaning of those of llama_model_params.
typedef struct infer_model_params {
    int32_t                 n_gpu_layers;
    enum llama_split_mode   split_mode;
    int32_t                 main_gpu;
    const float *           tensor_split;
    llama_progress_callback progress_callback; // may be NULL
    void *                  progress_callback_user_data;
    bool                    vocab_only;
    bool                    use_mmap;
    bool                    check_tensors;
    bool                    use_extra_bufts;
    bool                    no_host;
    bool                    uses_devices; // even with n_gpu_layers of 0
    size_t                  n_overrides;  // tensors whose names match patterns[i] go to devices[i]
    const char * const *    patterns;
    const char * const *    devices;
} infer_model_params;

// Loads a model. If weights is not NULL, the model is unbound: host weights are recorded and not
// stored, and the engine's reads go to scratch. The caller owns *weights and must free it after
// the model.
struct llama_model * infer_model_load(const char ** paths, size_t n_paths, infer_model_params params,
        infer_scope scope, infer_weights ** weights, void * scratch, size_t scratch_size, infer_error * err);
size_t       infer_weights_count(const infer_weights * w);
infer_weight infer_weights_at(const infer_weights * w, size_t i);
void         infer_weights_bind(infer_weights * w, size_t i, void * data);
bool         infer_weights_repack(infer_weights * w, size_t i, void * dst, const void * src, infer_error * err);
// The layout that a tensor is repacked to.
enum { INFER_MOST_GROUP = 64, INFER_SAMPLE_LENGTH = 512 /* of a row, a multiple of every type's block */ };
typedef struct infer_layout {
    enum ggml_type type;
    int64_t        length; // of a row, in elements
    const void *   traits; // identifies the engine's repacking function
    int64_t        group;  // rows that are interleaved, a power of two up to INFER_MOST_GROUP; 0: the
                           // layout is no sequence of such groups
    size_t         row;    // bytes that a row takes in the layout
    size_t         sample_row; // and one of INFER_SAMPLE_LENGTH elements
} infer_layout;
infer_layout infer_weights_layout(const infer_weights * w, size_t i);
// Repacks rows of any length to the layout of tensor i. Their number must be a multiple of its group.
bool         infer_weights_repack_rows(const infer_weights * w, size_t i, int64_t length, int64_t rows, void * dst, const void * src, infer_error * err);
bool         infer_weights_upload(infer_weights * w, size_t i, const void * src, size_t offset, size_t size, infer_error * err);
// Allocates memory of devices for all weights there, in buffers of at most the scope's block size.
bool         infer_weights_place(infer_weights * w, infer_scope scope, infer_error * err);
// Binds all tensors to the weights of another model, in its layouts. Binds none if it fails.
bool         infer_weights_rebind(infer_weights * w, const infer_weights * like, infer_error * err);
void         infer_weights_free(infer_weights * w);

// Returns the second dimension of a model's tensor, 0 if the model has no tensor of that name.
int64_t infer_tensor_rows(const struct llama_model * model, const char * name);
// Returns the length of a model's table of positions, 0 if it has none.
int64_t infer_positions(const struct llama_model * model);

#ifdef __cplusplus
}
#endif

#endif
