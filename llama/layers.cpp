// Where the computation is: the scheduler shows every tensor of a graph before it computes
// it, and stops behind those that are asked for.

#include "guard.h"
#include "shim_more.h"

#include <cstdlib>

extern "C" {
bool goInferBeforeLayer(uintptr_t layers, int layer);
void goInferAfterLayer(uintptr_t layers, int layer);
}

extern "C" bool infer_eval(struct ggml_tensor * tensor, bool ask, void * user_data) {
    // llama.cpp's graphs name the last tensor of a layer so.
    static const char mark[] = "l_out-";
    if (strncmp(tensor->name, mark, sizeof mark - 1) != 0) {
        return !ask; // no stop here; go on
    }
    const int layer = atoi(tensor->name + sizeof mark - 1);
    const uintptr_t layers = ((const infer_layers *) user_data)->layers;
    if (ask) {
        return goInferBeforeLayer(layers, layer);
    }
    goInferAfterLayer(layers, layer);
    return true;
}
