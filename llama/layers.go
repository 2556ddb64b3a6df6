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
