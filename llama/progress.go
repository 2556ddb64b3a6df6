//go:build cgo

package llama

// #include "shim.h"
import "C"

import (
	"runtime/cgo"
	"unsafe"
)

// progress lets the engine report to a Go function.
type progress struct {
	c      *C.infer_progress_data
	handle cgo.Handle
}

func newProgress(w *watch, f func(float32)) *progress {
	p := &progress{c: (*C.infer_progress_data)(C.calloc(1, C.sizeof_infer_progress_data)), handle: cgo.NewHandle(f)}
	p.c.stop = unsafe.Pointer(w.flag)
	p.c.report = C.uintptr_t(p.handle)
	return p
}

func (p *progress) data() unsafe.Pointer { return unsafe.Pointer(p.c) }

func (p *progress) close() {
	C.free(unsafe.Pointer(p.c))
	p.handle.Delete()
}

//export goInferProgress
func goInferProgress(handle C.uintptr_t, fraction C.float) {
	cgo.Handle(handle).Value().(func(float32))(float32(fraction))
}
