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

// abortWatch raises a context's abort flag when a ctx is cancelled. It stays in place
// between calls that have one ctx: a token is a call, and to begin watching for each would
// take longer than anything else that this package does for it, and allocate.
type abortWatch struct {
	done   <-chan struct{} // the ctx's; nil: none is watched
	stop   func() bool
	raised chan struct{} // closed when the flag has been
}

// abortOn raises the abort flag when ctx is cancelled, until the next call that has
// another one. That of a call that has ended stops nothing.
func (s *contextState) abortOn(ctx context.Context) {
	done := ctx.Done()
	if done == s.watch.done { // the same ctx, or one that is cancelled with it
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

// unwatch ends the watching, and lowers the flag again.
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
	if s.closing.Load() { // Close may have come between
		atomic.StoreInt32(s.abort, 1)
	}
}

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

// watch raises a flag in C memory when a context is cancelled.
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

// stop waits for the flag's last writer and frees it.
func (w *watch) stop() {
	if w.cancel != nil && !w.cancel() {
		<-w.done
	}
	C.free(unsafe.Pointer(w.flag))
}
