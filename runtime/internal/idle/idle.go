// Package idle detects when no call runs on a model, and does background work then.
package idle

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Activity counts the running calls of a model's sessions. The zero value is ready to use. It
// is safe for concurrent use.
type Activity struct {
	running atomic.Int64 // calls
	ended   atomic.Int64 // end of the last call, nanoseconds since 1970

	// Weights is read-locked by calls and by code that reads the addresses of the weights.
	// A move of the weights write-locks it with TryLock only, so that no call waits behind a
	// waiting writer.
	Weights sync.RWMutex
}

// Begin begins a call, which ends with End.
func (a *Activity) Begin() {
	a.running.Add(1)
	a.Weights.RLock()
}

// End ends a call.
func (a *Activity) End() {
	a.Weights.RUnlock()
	a.ended.Store(time.Now().UnixNano())
	a.running.Add(-1)
}

// Busy reports whether a call is running.
func (a *Activity) Busy() bool { return a.running.Load() > 0 }

// Idle returns the time since the last call ended, 0 while one is running.
func (a *Activity) Idle() time.Duration {
	if a.Busy() {
		return 0
	}
	return time.Since(time.Unix(0, a.ended.Load()))
}

// Wait waits until no call has run for the given time, or returns ctx's error.
func (a *Activity) Wait(ctx context.Context, idle time.Duration) error {
	for {
		now := a.Idle()
		if now >= idle && !a.Busy() {
			return ctx.Err()
		}
		t := time.NewTimer(max(idle-now, time.Millisecond))
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
	}
}

// Work is a background task.
type Work struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// Later starts a background task, which waits until no call has run for the given time from
// now on, and then calls do on a thread of low priority.
func (a *Activity) Later(idle time.Duration, do func(context.Context)) *Work {
	ctx, cancel := context.WithCancel(context.Background())
	w := &Work{cancel, make(chan struct{})}
	a.ended.Store(time.Now().UnixNano())
	go func() {
		defer close(w.done)
		runtime.LockOSThread() // never unlocked: the low-priority thread ends with the goroutine
		if err := a.Wait(ctx, idle); err != nil {
			return
		}
		lowerPriority()
		do(ctx)
	}()
	return w
}

// Beside starts a task that is to run beside the calls, until Stop.
func Beside(do func(context.Context)) *Work {
	ctx, cancel := context.WithCancel(context.Background())
	w := &Work{cancel, make(chan struct{})}
	go func() {
		defer close(w.done)
		do(ctx)
	}()
	return w
}

// Done returns a channel that is closed when the task has ended.
func (w *Work) Done() <-chan struct{} { return w.done }

// Stop cancels the task and waits until it has ended. It does nothing for nil.
func (w *Work) Stop() {
	if w != nil {
		w.cancel()
		<-w.done
	}
}
