//go:build cgo

package llama

// #include "shim_layers.h"
import "C"

import (
	"runtime/cgo"
	"unsafe"
)

// Stream says where the bytes of tensor i, which is on no device, are while its layer is in
// memory, as [Layers] tells; a nil slot undoes it. Both the slot and what the tensor is bound to must
// stay until then, or until the model has been freed. The contexts that use the model must
// not compute meanwhile, and have to have been made with Layers.
func (m *Model) Stream(i, layer int, slot unsafe.Pointer) error {
	if err := m.s.life.acquire(); err != nil {
		return err
	}
	defer m.s.life.release()
	switch {
	case m.s.streams == nil || i < 0 || i >= len(m.s.bound) || !m.s.isBound(i):
		return argument("no bound tensor %d", i)
	case layer < 0 || layer > maxLayers:
		return argument("layer %d", layer)
	}
	if w := C.infer_weights_at(m.s.weights, C.size_t(i)); WeightKind(w.kind) == WeightDevice {
		return argument("tensor %q is on a device", C.GoString(w.name))
	}
	var e C.infer_error
	if !C.infer_streams_set(m.s.streams, m.s.weights, C.size_t(i), C.int(layer), slot, &e) {
		return failure("stream", &e, nil)
	}
	return nil
}

// StreamExperts says that tensor i, which is on no device, holds the experts of a layer, and
// that chosen ones are in slots of stride bytes, from base on, as [Experts] tells: slot n begins at
// base + n × stride, with an expert's bytes as they are in the tensor. No slots undo it. The
// slots must stay until then, or until the model has been freed. The contexts that use the model
// must not compute meanwhile, and have to have been made with [Layers] that are [Experts].
func (m *Model) StreamExperts(i, layer int, base unsafe.Pointer, stride uintptr, slots int) error {
	if err := m.s.life.acquire(); err != nil {
		return err
	}
	defer m.s.life.release()
	switch {
	case m.s.streams == nil || i < 0 || i >= len(m.s.bound) || !m.s.isBound(i):
		return argument("no bound tensor %d", i)
	case layer < 0 || layer > maxLayers:
		return argument("layer %d", layer)
	case slots < 0 || slots > maxSlots || slots > 0 && base == nil:
		return argument("%d slots", slots)
	}
	w := C.infer_weights_at(m.s.weights, C.size_t(i))
	if WeightKind(w.kind) == WeightDevice {
		return argument("tensor %q is on a device", C.GoString(w.name))
	}
	if expert := uintptr(w.expert_size); slots > 0 && (expert == 0 || stride < expert) {
		return argument("tensor %q in slots of %d bytes: an expert has %d", C.GoString(w.name), stride, expert)
	}
	var e C.infer_error
	if !C.infer_streams_set_experts(m.s.streams, m.s.weights, C.size_t(i), C.int(layer), base, C.size_t(stride), C.int(slots), &e) {
		return failure("stream experts", &e, nil)
	}
	return nil
}

// maxSlots bounds what the engine counts by slot.
const maxSlots = 1 << 20

// maxLayers bounds what a table by layer takes.
const maxLayers = 1 << 16

func (s *modelState) isBound(i int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bound[i]
}

// layerWatch is a Layers as C knows it.
type layerWatch struct {
	c      *C.infer_layers
	handle cgo.Handle
}

// newLayerWatch makes one for a context of a model, nil where there is nothing to stream.
func newLayerWatch(l Layers, m *modelState) (*layerWatch, error) {
	if l == nil || m.streams == nil {
		return nil, nil
	}
	w := &layerWatch{handle: cgo.NewHandle(l)}
	if w.c = C.infer_layers_new(C.uintptr_t(w.handle), m.streams); w.c == nil {
		w.handle.Delete()
		return nil, ErrNoMemory
	}
	return w, nil
}

// set makes a context's parameters use it.
func (w *layerWatch) set(p *C.struct_llama_context_params) {
	if w != nil {
		p.cb_eval = (C.ggml_backend_sched_eval_callback)(C.infer_eval)
		p.cb_eval_user_data = unsafe.Pointer(w.c)
	}
}

// begin is for before each pass: the one before may have been given up.
func (w *layerWatch) begin() {
	if w != nil {
		C.infer_layers_begin(w.c)
	}
}

// close is for when the context has been freed.
func (w *layerWatch) close() {
	if w != nil {
		C.infer_layers_free(w.c)
		w.handle.Delete()
	}
}

//export goInferBeforeLayer
func goInferBeforeLayer(handle C.uintptr_t, layer C.int) C.bool {
	return C.bool(cgo.Handle(handle).Value().(Layers).BeforeLayer(int(layer)))
}

//export goInferAfterLayer
func goInferAfterLayer(handle C.uintptr_t, layer C.int) {
	cgo.Handle(handle).Value().(Layers).AfterLayer(int(layer))
}

//export goInferBeforeExperts
func goInferBeforeExperts(handle C.uintptr_t, layer C.int, ids, slots *C.int32_t, n C.size_t) C.bool {
	x, ok := cgo.Handle(handle).Value().(Experts)
	return C.bool(ok && x.BeforeExperts(int(layer), unsafe.Slice((*int32)(ids), n), unsafe.Slice((*int32)(slots), n)))
}

//export goInferAfterExperts
func goInferAfterExperts(handle C.uintptr_t, layer C.int) {
	if x, ok := cgo.Handle(handle).Value().(Experts); ok {
		x.AfterExperts(int(layer))
	}
}
