//go:build cgo

package llama

// #include "shim_context.h"
import "C"

import (
	"runtime/cgo"
	"unsafe"
)

// Stream sets the slot of tensor i: the address of its bytes while [Layers] says that its layer is
// in memory. A nil slot ends streaming. The slot and the bytes to which the tensor is bound must
// stay valid until then, or until the model has been freed. The tensor must be in host memory.
// Contexts of the model must have been made with Layers, and must not compute during the call.
func (m *Model) Stream(i, layer int, slot unsafe.Pointer) error {
	if err := m.s.life.acquire(); err != nil {
		return err
	}
	defer m.s.life.release()
	if _, err := m.s.streamable(i, layer); err != nil {
		return err
	}
	var e C.infer_error
	if !C.infer_streams_set(m.s.streams, m.s.weights, C.size_t(i), C.int(layer), slot, &e) {
		return failure("stream", &e, nil)
	}
	return nil
}

// StreamExperts sets the slots of tensor i, which holds the experts of a layer: chosen experts are
// in the slots that [Experts] returns. Slot n begins at base + n × stride, in bytes, and has an
// expert's bytes in the tensor's layout. With 0 slots streaming ends. The slots must stay valid
// until then, or until the model has been freed. The tensor must be in host memory. Contexts of the
// model must have been made with [Layers] that implement [Experts], and must not compute during the
// call.
func (m *Model) StreamExperts(i, layer int, base unsafe.Pointer, stride uintptr, slots int) error {
	if err := m.s.life.acquire(); err != nil {
		return err
	}
	defer m.s.life.release()
	w, err := m.s.streamable(i, layer)
	if err != nil {
		return err
	}
	if err := integer("slots", slots, 0, maxSlots); err != nil {
		return err
	}
	if slots > 0 && base == nil {
		return argument("%d slots without a base address", slots)
	}
	if expert := uintptr(w.expert_size); slots > 0 && (expert == 0 || stride < expert) {
		return argument("tensor %q: a stride of %d bytes is less than an expert of %d bytes", C.GoString(w.name), stride, expert)
	}
	var e C.infer_error
	if !C.infer_streams_set_experts(m.s.streams, m.s.weights, C.size_t(i), C.int(layer), base, C.size_t(stride), C.int(slots), &e) {
		return failure("stream experts", &e, nil)
	}
	return nil
}

// streamable returns tensor i, which must be bound and in host memory. layer is checked too.
func (s *modelState) streamable(i, layer int) (w C.infer_weight, err error) {
	switch {
	case s.streams == nil || i < 0 || i >= len(s.bound) || !s.isBound(i):
		return w, argument("tensor %d is not bound, or the model has no tensor of this index", i)
	}
	if err := integer("layer", layer, 0, maxLayers); err != nil {
		return w, err
	}
	if w = C.infer_weights_at(s.weights, C.size_t(i)); WeightKind(w.kind) == WeightDevice {
		return w, argument("tensor %q is in a device's memory: only tensors in host memory can be streamed", C.GoString(w.name))
	}
	return w, nil
}

// maxSlots bounds the engine's arrays that are indexed by slot.
const maxSlots = 1 << 20

// maxLayers bounds tables that are indexed by layer.
const maxLayers = 1 << 16

func (s *modelState) isBound(i int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bound[i]
}

// layerWatch connects a Layers with C.
type layerWatch struct {
	c      *C.infer_layers
	handle cgo.Handle
}

// listener is the Go side of a layerWatch, to which the handle refers.
type listener struct {
	layers    Layers
	onExperts func(layer int, ids []int32)
}

// newLayerWatch returns the watch for a context of a model, nil if p has neither Layers nor
// OnExperts.
func newLayerWatch(p ContextParams, m *modelState) (*layerWatch, error) {
	if p.Layers == nil && p.OnExperts == nil {
		return nil, nil
	}
	if m.streams == nil {
		return nil, ErrNoMemory
	}
	w := &layerWatch{handle: cgo.NewHandle(listener{p.Layers, p.OnExperts})}
	if w.c = C.infer_layers_new(C.uintptr_t(w.handle), m.streams, C.bool(p.OnExperts != nil)); w.c == nil {
		w.handle.Delete()
		return nil, ErrNoMemory
	}
	return w, nil
}

// set adds the watch to a context's parameters.
func (w *layerWatch) set(p *C.infer_context_params) {
	if w != nil {
		p.layers = w.c
	}
}

// begin must be called before each pass, since the previous pass may have been aborted.
func (w *layerWatch) begin() {
	if w != nil {
		C.infer_layers_begin(w.c)
	}
}

// close must be called after the context has been freed.
func (w *layerWatch) close() {
	if w != nil {
		C.infer_layers_free(w.c)
		w.handle.Delete()
	}
}

func listenerOf(handle C.uintptr_t) listener { return cgo.Handle(handle).Value().(listener) }

//export goInferBeforeLayer
func goInferBeforeLayer(handle C.uintptr_t, layer C.int) C.bool {
	l := listenerOf(handle).layers
	return C.bool(l != nil && l.BeforeLayer(int(layer)))
}

//export goInferAfterLayer
func goInferAfterLayer(handle C.uintptr_t, layer C.int) {
	if l := listenerOf(handle).layers; l != nil {
		l.AfterLayer(int(layer))
	}
}

// slots is nil where the layer's experts have none.
//
//export goInferBeforeExperts
func goInferBeforeExperts(handle C.uintptr_t, layer C.int, ids, slots *C.int32_t, n C.size_t) C.bool {
	l := listenerOf(handle)
	chosen := unsafe.Slice((*int32)(ids), n)
	if l.onExperts != nil {
		l.onExperts(int(layer), chosen)
	}
	x, ok := l.layers.(Experts)
	return C.bool(ok && slots != nil && x.BeforeExperts(int(layer), chosen, unsafe.Slice((*int32)(slots), n)))
}

// The result is negative after an error, and positive while other tensors are being read.
//
//export goInferAwaitExperts
func goInferAwaitExperts(handle C.uintptr_t, tensor *C.char) C.int {
	x, ok := listenerOf(handle).layers.(Experts)
	if !ok {
		return -1
	}
	more, ok := x.AwaitExperts(C.GoString(tensor))
	switch {
	case !ok:
		return -1
	case more:
		return 1
	}
	return 0
}

//export goInferAfterExperts
func goInferAfterExperts(handle C.uintptr_t, layer C.int) {
	if x, ok := listenerOf(handle).layers.(Experts); ok {
		x.AfterExperts(int(layer))
	}
}
