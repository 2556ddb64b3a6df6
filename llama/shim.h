// C interface of the few C++ files of this package: calls that must not let an
// exception or an assert out, and the buffer types that ask Go for memory.
//
// Every infer_* function that takes an infer_error catches C++ exceptions and
// failed engine checks (GGML_ASSERT on the calling thread), and collects what the
// engine logged as error or warning meanwhile: the reason of a NULL result.

#ifndef INFER_SHIM_H
#define INFER_SHIM_H

#include "abi_types.h"
#include "abi_functions.h"

#ifdef __cplusplus
extern "C" {
#endif

enum infer_error_kind {
    INFER_OK = 0,
    INFER_EXCEPTION,  // a C++ exception: what
    INFER_NO_MEMORY,  // std::bad_alloc
    INFER_ASSERT,     // a failed check of the engine: its state is undefined
    INFER_TOO_MUCH,   // a bound on the work of one call: what
};

typedef struct infer_error {
    int  kind;
    char what[512];
    char log[1536];
} infer_error;

// infer_init installs logging, the assert handler and the buffer types. Once.
void infer_init(void);

// infer_set_log_level sets the lowest level that goes to Go; above ERROR: none.
void infer_set_log_level(int level);

// A scope says where the host memory of the engine comes from while a call runs
// on this thread. home is a Go handle (0: the engine allocates as it always does);
// max_block is the largest block the engine should ask for when it can split;
// purpose is that of blocks which are neither compute buffers nor context memory.
enum infer_purpose {
    INFER_PURPOSE_OUTPUT = 0,
    INFER_PURPOSE_KV,
    INFER_PURPOSE_COMPUTE,
    INFER_PURPOSE_WEIGHTS,
};

typedef struct infer_scope {
    uintptr_t home;
    size_t    max_block;
    int       purpose;
    int       measure; // for so many threads, 0 not: blocks are told about and not taken: nothing may be computed
} infer_scope;

// Weights of a model that was loaded without them.
typedef struct infer_weights infer_weights;

typedef struct infer_weight {
    const char * name;
    size_t       size;
    int          kind;
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

struct llama_context * infer_context_new(struct llama_model * model, struct llama_context_params params, infer_scope scope, infer_error * err);
void    infer_context_free(struct llama_context * ctx);
int32_t infer_decode(struct llama_context * ctx, struct llama_batch batch, infer_scope scope, infer_error * err);
int32_t infer_encode(struct llama_context * ctx, struct llama_batch batch, infer_scope scope, infer_error * err);

// Carries out pending copies and shifts of the context's memory; what fails is logged.
void   infer_memory_settle(struct llama_context * ctx, infer_scope scope, infer_error * err);
size_t infer_state_size(struct llama_context * ctx, llama_seq_id seq, infer_error * err);                                   // seq < 0: all
size_t infer_state_get(struct llama_context * ctx, llama_seq_id seq, uint8_t * dst, size_t size, infer_error * err);
size_t infer_state_set(struct llama_context * ctx, llama_seq_id seq, const uint8_t * src, size_t size, infer_scope scope, infer_error * err);

// What the last batch computed; NULL where there is nothing at i.
float * infer_logits(struct llama_context * ctx, int32_t i, infer_error * err);
float * infer_embedding(struct llama_context * ctx, int32_t i, infer_error * err);
float * infer_embedding_seq(struct llama_context * ctx, llama_seq_id seq, infer_error * err);

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
