//go:build cgo

package llama

// #include "engine_table.h"
import "C"

import (
	"runtime"
	"unsafe"
)

// MeasureContext returns the memory that a context would take: the engine creates a context, and
// its blocks are recorded instead of allocated. No weights are needed: the model may be unbound
// ([ModelParams].Unbound). p.Blocks is only asked for its block size; if it is nil, blocks have at
// most blockSize bytes (0: no bound). Errors are those of [Model.NewContext].
func (m *Model) MeasureContext(p ContextParams, blockSize uintptr) (ContextMemory, error) {
	if err := m.s.life.acquire(); err != nil {
		return ContextMemory{}, err
	}
	defer runtime.KeepAlive(m)
	defer m.s.life.release()
	params, err := p.native(m.s)
	if err != nil {
		return ContextMemory{}, err
	}
	if p.Blocks != nil {
		blockSize = p.Blocks.BlockSize()
	} else if blockSize == 0 {
		blockSize = ^uintptr(0)
	}
	h := newHome(measuring{blockSize})
	h.measure, h.outputs = int(max(params.n_threads, params.n_threads_batch, 1)), max(p.Outputs, 1)
	defer h.close()
	var e C.infer_error
	ctx := C.infer_context_new(m.s.model, params, h.scope(C.INFER_PURPOSE_OUTPUT), &e)
	if ctx == nil {
		return ContextMemory{}, failure("llama_init_from_model", &e, nil)
	}
	defer C.infer_context_free(ctx)
	return ContextMemory{Ctx: int(C.infer_llama_n_ctx(ctx)), Batch: int(C.infer_llama_n_batch(ctx)), UBatch: int(C.infer_llama_n_ubatch(ctx)), Blocks: h.measured, Work: h.work, Unused: h.unused}, nil
}

// measuring is the Blocks of a measured context.
type measuring struct{ size uintptr }

func (m measuring) BlockSize() uintptr                                { return m.size }
func (measuring) AllocBlock(Purpose, uintptr) (unsafe.Pointer, error) { return nil, ErrNoMemory }
func (measuring) TagBlock(unsafe.Pointer, Purpose)                    {}
func (measuring) FreeBlock(unsafe.Pointer)                            {}
