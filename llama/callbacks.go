//go:build cgo

package llama

// #include "shim_callbacks.h"
import "C"

import (
	"context"
	"runtime/cgo"
	"sync/atomic"
	"unsafe"
)

// abortWatch raises a context's abort flag when a ctx is cancelled. It is kept between calls with
// the same ctx: there is one call per token, and a new watch for each would be slow and allocate.
type abortWatch struct {
	done   <-chan struct{} // Done channel of the ctx; nil: no watch
	stop   func() bool
	raised chan struct{} // closed when the flag has been raised
}

// abortOn raises the abort flag when ctx is cancelled, until the next call with another ctx. If ctx
// is cancelled after its call has ended, nothing is aborted.
func (s *contextState) abortOn(ctx context.Context) {
	done := ctx.Done()
	if done == s.watch.done { // the same ctx, or one with the same Done channel
		return
	}
	s.unwatch()
	if done == nil {
		return
	}
	raised := make(chan struct{})
	s.watch = abortWatch{done: done, raised: raised, stop: context.AfterFunc(ctx, func() {
		atomic.StoreInt32(s.abort, 1)
		close(raised)
	})}
}

// unwatch ends the watch and clears the flag.
func (s *contextState) unwatch() {
	w := s.watch
	s.watch = abortWatch{}
	if w.done == nil || w.stop() {
		return
	}
	<-w.raised
	if !s.closing.Load() {
		atomic.StoreInt32(s.abort, 0)
	}
	if s.closing.Load() { // Close may have freed the flag
		atomic.StoreInt32(s.abort, 1)
	}
}

// progress connects the engine's progress callback to a Go function.
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

// watch raises a flag in C memory when a context.Context is cancelled.
type watch struct {
	flag   *int32
	cancel func() bool
	done   chan struct{}
}

func newWatch(ctx context.Context) *watch {
	w := &watch{flag: (*int32)(C.calloc(1, 4))}
	if ctx.Done() != nil {
		w.done = make(chan struct{})
		w.cancel = context.AfterFunc(ctx, func() {
			atomic.StoreInt32(w.flag, 1)
			close(w.done)
		})
	}
	return w
}

// stop waits until nobody writes to the flag and frees it.
func (w *watch) stop() {
	if w.cancel != nil && !w.cancel() {
		<-w.done
	}
	C.free(unsafe.Pointer(w.flag))
}
