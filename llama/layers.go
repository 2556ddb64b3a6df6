//go:build cgo

package llama

// #include "shim_more.h"
import "C"

import (
	"runtime/cgo"
	"unsafe"
)

// layerWatch is a Layers as C knows it.
type layerWatch struct {
	c      *C.infer_layers
	handle cgo.Handle
}

func newLayerWatch(l Layers) *layerWatch {
	if l == nil {
		return nil
	}
	w := &layerWatch{c: (*C.infer_layers)(C.calloc(1, C.sizeof_infer_layers)), handle: cgo.NewHandle(l)}
	w.c.layers = C.uintptr_t(w.handle)
	return w
}

// set makes a context's parameters use it.
func (w *layerWatch) set(p *C.struct_llama_context_params) {
	if w != nil {
		p.cb_eval = (C.ggml_backend_sched_eval_callback)(C.infer_eval)
		p.cb_eval_user_data = unsafe.Pointer(w.c)
	}
}

// close is for when the context has been freed.
func (w *layerWatch) close() {
	if w != nil {
		C.free(unsafe.Pointer(w.c))
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
