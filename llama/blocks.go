//go:build cgo

package llama

// #include "shim.h"
import "C"

import (
	"runtime/cgo"
	"sync"
	"unsafe"
)

// home is the source of the blocks of a model or context. C keeps its handle, Go the interface and
// the error of the last refusal.
type home struct {
	blocks Blocks
	handle cgo.Handle

	measure  int // number of threads of a measured context, whose blocks are only reported; 0: blocks are allocated
	outputs  int // of a measured evaluation
	measured []MeasuredBlock
	work     uint64 // the largest work buffer of the graphs measured
	unused   uint64 // bytes that a scheduler allocates and does not touch

	mu  sync.Mutex
	err error
}

// newHome returns nil for nil: the engine then allocates for itself.
func newHome(b Blocks) *home {
	if b == nil {
		return nil
	}
	h := &home{blocks: b}
	h.handle = cgo.NewHandle(h)
	return h
}

// close releases the handle. All blocks must have been freed.
func (h *home) close() {
	if h != nil {
		h.handle.Delete()
	}
}

// scope returns the memory scope of a call into the engine.
func (h *home) scope(purpose C.int) C.infer_scope {
	if h == nil {
		return C.infer_scope{}
	}
	return C.infer_scope{home: C.uintptr_t(h.handle), max_block: C.size_t(h.blocks.BlockSize()), purpose: purpose, measure: C.int(h.measure), outputs: C.size_t(h.outputs)}
}

// fail keeps the error of a refused block.
func (h *home) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
}

// takeError returns the error of the last refused block, once.
func (h *home) takeError() error {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	err := h.err
	h.err = nil
	return err
}

func homeOf(handle C.uintptr_t) *home { return cgo.Handle(handle).Value().(*home) }

//export goInferAlloc
func goInferAlloc(handle C.uintptr_t, size C.size_t) unsafe.Pointer {
	h := homeOf(handle)
	p, err := h.blocks.AllocBlock(PurposeCompute, uintptr(size))
	if err != nil {
		h.fail(err)
		return nil
	}
	return p
}

//export goInferFree
func goInferFree(handle C.uintptr_t, p unsafe.Pointer) {
	homeOf(handle).blocks.FreeBlock(p)
}

//export goInferTag
func goInferTag(handle C.uintptr_t, p unsafe.Pointer, purpose C.int) {
	homeOf(handle).blocks.TagBlock(p, purposes[purpose])
}

//export goInferDeviceAlloc
func goInferDeviceAlloc(handle C.uintptr_t, device *C.char, size C.size_t, purpose C.int) C.bool {
	h := homeOf(handle)
	d, ok := h.blocks.(DeviceBlocks)
	if !ok {
		return true
	}
	if err := d.AdmitDevice(C.GoString(device), uintptr(size), purposes[purpose]); err != nil {
		h.fail(&DeviceError{Device: C.GoString(device), Size: uint64(size), Err: err})
		return false
	}
	return true
}

//export goInferDeviceRefused
func goInferDeviceRefused(handle C.uintptr_t, device *C.char, size C.size_t) {
	homeOf(handle).fail(&DeviceError{Device: C.GoString(device), Size: uint64(size)})
}

//export goInferDeviceTag
func goInferDeviceTag(handle C.uintptr_t, device *C.char, size C.size_t, from, to C.int) {
	if d, ok := homeOf(handle).blocks.(DeviceBlocks); ok {
		d.TagDevice(C.GoString(device), uintptr(size), purposes[from], purposes[to])
	}
}

//export goInferDeviceFree
func goInferDeviceFree(handle C.uintptr_t, device *C.char, size C.size_t, purpose C.int) {
	if d, ok := homeOf(handle).blocks.(DeviceBlocks); ok {
		d.FreeDevice(C.GoString(device), uintptr(size), purposes[purpose])
	}
}

// purposes maps enum infer_purpose to Purpose.
var purposes = [...]Purpose{
	C.INFER_PURPOSE_OUTPUT: PurposeOutput, C.INFER_PURPOSE_KV: PurposeKV, C.INFER_PURPOSE_COMPUTE: PurposeCompute, C.INFER_PURPOSE_WEIGHTS: PurposeWeights,
}

//export goInferMeasured
func goInferMeasured(handle C.uintptr_t, size, used C.size_t, purpose C.int, device, first, last *C.char) {
	h := homeOf(handle)
	h.measured = append(h.measured, MeasuredBlock{Device: C.GoString(device), Purpose: purposes[purpose], Size: uint64(size), Used: uint64(used), First: C.GoString(first), Last: C.GoString(last)})
}

//export goInferWork
func goInferWork(handle C.uintptr_t, size C.size_t) {
	h := homeOf(handle)
	h.work = max(h.work, uint64(size))
}

//export goInferUnused
func goInferUnused(handle C.uintptr_t, size C.size_t) {
	h := homeOf(handle)
	h.unused = max(h.unused, uint64(size))
}
