package runtime

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed7adf6694/infer/loader"
	"github.com/seed7adf6694/infer/loader/packed"
)

// idleBefore is for how long no session must have computed before a packed file is made,
// or goes on being made. Programs that generate and end never get there, and nothing is
// taken from those that are busy.
var idleBefore = 2 * time.Second

// activity is what a model's sessions do.
type activity struct {
	running atomic.Int64 // calls
	ended   atomic.Int64 // the last one, nanoseconds since 1970

	// weights is held by calls, and by what reads where the weights are; whoever moves them
	// has it alone, by TryLock: nobody waits for it with it in hand.
	weights sync.RWMutex
}

func (a *activity) begin() {
	a.running.Add(1)
	a.weights.RLock()
}

func (a *activity) end() {
	a.weights.RUnlock()
	a.ended.Store(time.Now().UnixNano())
	a.running.Add(-1)
}

// idle is for how long there has been no call; 0 while there is one.
func (a *activity) idle() time.Duration {
	if a.running.Load() > 0 {
		return 0
	}
	return time.Since(time.Unix(0, a.ended.Load()))
}

// wait waits until there has been no call for a time.
func (a *activity) wait(ctx context.Context, idle time.Duration) error {
	for {
		now := a.idle()
		if now >= idle && a.running.Load() == 0 {
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

// background is the packing of a model while it is open.
type background struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// stop ends it and waits until it has.
func (b *background) stop() {
	if b != nil {
		b.cancel()
		<-b.done
	}
}

// packLater begins to wait for a time in which a packed file of the model can be made, and
// for one in which the model can be moved to it.
func (m *Model) packLater() {
	if c := m.config; c.packed != PackedAuto || !c.wantsPacked() || m.weights.packed != nil || !lasts(m.path) || !repackGains(m.weights.index) {
		return
	}
	store, err := PackedCache(m.config.cacheDir)
	if err != nil {
		m.config.log("no packed file is made", "reason", err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	b := &background{cancel, make(chan struct{})}
	m.packing = b
	m.activity.ended.Store(time.Now().UnixNano())
	path, act := m.path, &m.activity
	go func() {
		defer close(b.done)
		runtime.LockOSThread() // and never unlocked: the thread, of low priority, ends with this
		if err := act.wait(ctx, idleBefore); err != nil {
			return
		}
		lowerPriority()
		err := m.pack(ctx, store, path, act)
		switch {
		case err == nil:
			file := store.Path(packedFileName(path))
			moved := make(chan error)
			go func() { moved <- m.moveTo(ctx, file) }() // on a thread that calls may wait for
			if err := <-moved; err == nil {
				store.MarkUsed(file)
			} else if ctx.Err() == nil {
				m.config.log("a packed file will be used when the model is opened again", "file", file, "reason", err)
			}
		case ctx.Err() == nil && !errors.Is(err, ErrNothingToPack):
			m.config.log("no packed file is made", "reason", err)
		}
	}()
}

func (m *Model) pack(ctx context.Context, store *packed.Store, path string, act *activity) error {
	index, err := loader.Open(path)
	if err != nil {
		return err
	}
	defer index.Close()
	return fillCache(ctx, store, path, index, fill{quiet: true, pause: func(ctx context.Context) error {
		if act.running.Load() == 0 {
			return ctx.Err()
		}
		return act.wait(ctx, idleBefore)
	}})
}
