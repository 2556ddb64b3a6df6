// Experts that are kept in slots. When a layer's router has chosen experts, Go reads those that are
// in no slot and returns the slot numbers. The multiplications with experts (MUL_MAT_ID) then get
// two other sources: a tensor of all slots in place of the tensor of all experts, and slot numbers
// in place of expert ids. The tensor of ids itself stays as it is, because the engine also looks up
// biases and router weights by it. After the last multiplication the sources are restored, because
// the engine may compute the same graph again.

#include "streams.h"

#include <cstring>

extern "C" {
bool goInferBeforeExperts(uintptr_t layers, int layer, const int32_t * ids, int32_t * slots, size_t n);
int  goInferAwaitExperts(uintptr_t layers, const char * tensor);
void goInferAfterExperts(uintptr_t layers, int layer);
}

bool infer_streams_set_experts(infer_streams * s, const infer_weights * w, size_t i, int layer, void * base, size_t stride, int slots, infer_error * err) {
    return infer::guarded(err, false, [&] {
        ggml_tensor * t = infer::weight(w, i);
        auto old = s->experts.find(t);
        if (old != s->experts.end()) {
            s->expert_counts[old->second.layer]--;
            s->experts.erase(old);
        }
        if (slots > 0) {
            if ((size_t) layer >= s->expert_counts.size()) {
                s->expert_counts.resize(layer + 1);
            }
            infer::expert_weight e{layer, *t};
            e.shadow.data  = base;
            e.shadow.ne[2] = slots;
            e.shadow.nb[2] = stride;
            e.shadow.nb[3] = stride * slots;
            s->experts[t] = e;
            s->expert_counts[layer]++;
        }
        return true;
    });
}

namespace {

// is_copy returns whether the scheduler has copied a tensor to t, for another backend: it names copies
// "backend#name#number".
bool is_copy(const ggml_tensor * t, const ggml_tensor * of) {
    const char * name = t ? strchr(t->name, '#') : nullptr;
    const size_t n = strlen(of->name);
    return name && strncmp(name + 1, of->name, n) == 0 && name[n + 1] == '#';
}

} // namespace

void infer_layers::choose(ggml_tensor * node) {
    infer::expert_choice & c = choice;
    if (!c.marked_ids || strcmp(ggml_op_name(node->op), "MUL_MAT_ID") != 0 || (node->src[2] != c.marked_ids && !is_copy(node->src[2], c.marked_ids))) {
        return;
    }
    const int layer = c.marked;
    ggml_tensor * ids = node->src[2]; // a copy where the router is on a device, and the experts are not
    c.marked_ids = nullptr;
    if (ids->type != GGML_TYPE_I32 || ids->nb[0] != sizeof(int32_t) || ids->ne[2] != 1 || ids->ne[3] != 1) {
        return;
    }
    const size_t n = (size_t) (ids->ne[0] * ids->ne[1]);
    c.chosen.resize(n);
    c.slots.resize(n);
    for (int64_t row = 0; row < ids->ne[1]; row++) { // ids may be in a device's memory
        ggml_backend_tensor_get(ids, c.chosen.data() + row * ids->ne[0], row * ids->nb[1], ids->ne[0] * sizeof(int32_t));
    }
    int32_t * slots = streams->experts_of(layer) > 0 ? c.slots.data() : nullptr;
    if (!goInferBeforeExperts(layers, layer, c.chosen.data(), slots, n)) {
        return;
    }
    c.layer  = layer;
    c.ids    = ids;
    c.shadow = *ids;
    c.shadow.data     = c.slots.data();
    c.shadow.view_src = nullptr;
    c.shadow.nb[0]    = sizeof(int32_t);
    c.shadow.nb[1]    = sizeof(int32_t) * ids->ne[0];
    c.shadow.nb[2]    = c.shadow.nb[3] = sizeof(int32_t) * n;
}

bool infer_layers::patch(ggml_tensor * node) {
    infer::expert_choice & c = choice;
    if (c.layer < 0 || node->src[2] != c.ids || strcmp(ggml_op_name(node->op), "MUL_MAT_ID") != 0) {
        return false;
    }
    auto found = streams->experts.find(node->src[0]);
    if (found == streams->experts.end() || found->second.layer != c.layer) {
        return false;
    }
    // The nodes before this one, up to the last stop, are computed together with it.
    const int reading = goInferAwaitExperts(layers, node->src[0]->name);
    if (reading < 0) {
        return false;
    }
    c.nodes.push_back({node, node->src[0], node->src[2]});
    node->src[0] = &found->second.shadow;
    node->src[2] = &c.shadow;
    const bool last = c.nodes.size() == (size_t) streams->experts_of(c.layer);
    c.between = reading > 0 && !last; // compute with this tensor while others are read
    return c.between || last;
}

void infer_layers::release() {
    infer::expert_choice & c = choice;
    for (const auto & p : c.nodes) {
        // After an aborted pass, the engine may have built another graph at the same addresses.
        if (p.node->src[2] == &c.shadow) {
            p.node->src[0] = p.weight;
            p.node->src[2] = p.ids;
        }
    }
    c.nodes.clear();
    c.between = false;
    if (c.layer >= 0) {
        const int layer = c.layer;
        c.layer = -1;
        goInferAfterExperts(layers, layer);
    }
}
