//go:build cgo

package llama

import (
	"context"
	"sync/atomic"
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
