//go:build cgo

package llama

// #include "shim_layers.h"
import "C"

import (
	"runtime/cgo"
	"unsafe"
)

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
