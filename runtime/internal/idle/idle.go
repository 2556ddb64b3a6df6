// Package idle knows when the calls on a model rest, and does other work then.
package idle

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Activity is what a model's sessions do. Its zero value is good.
type Activity struct {
	running atomic.Int64 // calls
	ended   atomic.Int64 // the last one, nanoseconds since 1970

	// Weights is held by calls, and by what reads where the weights are; whoever moves them
	// has it alone, by TryLock: nobody waits for it with it in hand.
	Weights sync.RWMutex
}

// Begin begins a call.
func (a *Activity) Begin() {
	a.running.Add(1)
	a.Weights.RLock()
}

// End ends it.
func (a *Activity) End() {
	a.Weights.RUnlock()
	a.ended.Store(time.Now().UnixNano())
	a.running.Add(-1)
}

// Busy tells whether there is a call.
func (a *Activity) Busy() bool { return a.running.Load() > 0 }

// idle is for how long there has been no call; 0 while there is one.
func (a *Activity) idle() time.Duration {
	if a.Busy() {
		return 0
	}
	return time.Since(time.Unix(0, a.ended.Load()))
}

// Wait waits until there has been no call for a time.
func (a *Activity) Wait(ctx context.Context, idle time.Duration) error {
	for {
		now := a.idle()
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

// Work is what is done in the background.
type Work struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// Later begins to wait until there has been no call for a time, from now on, and then does
// something on a thread of low priority.
func (a *Activity) Later(idle time.Duration, do func(context.Context)) *Work {
	ctx, cancel := context.WithCancel(context.Background())
	w := &Work{cancel, make(chan struct{})}
	a.ended.Store(time.Now().UnixNano())
	go func() {
		defer close(w.done)
		runtime.LockOSThread() // and never unlocked: the thread, of low priority, ends with this
		if err := a.Wait(ctx, idle); err != nil {
			return
		}
		lowerPriority()
		do(ctx)
	}()
	return w
}

// Done is closed when the work has ended.
func (w *Work) Done() <-chan struct{} { return w.done }

// Stop ends it and waits until it has. nil is no work.
func (w *Work) Stop() {
	if w != nil {
		w.cancel()
		<-w.done
	}
}
