package runtime

import (
	"context"
	"errors"
	"time"

	"github.com/seed7adf6694/infer/llama"
)

// SetIdle sets how long a model has to be idle before packing, and returns the previous value.
func SetIdle(d time.Duration) time.Duration {
	was := idleBefore
	idleBefore = d
	return was
}

// AwaitPacking waits until a model has been packed and moved, or has given up.
func (m *Model) AwaitPacking() { <-m.packing.Done() }

// MoveTo exports moveTo.
func (m *Model) MoveTo(ctx context.Context, file string) error { return m.moveTo(ctx, file) }

// FailEvaluations makes a batch's evaluations fail, as if there were no room or for another reason, until
// the returned function is called.
func FailEvaluations(b *Batch, room bool) (end func()) {
	return b.failWhen(func(int) error {
		if room {
			return llama.ErrNoSlot
		}
		return errors.New("of a test")
	})
}

// FailEvaluationsOfSeveral makes evaluations of more than one text fail, as if there were no room.
func FailEvaluationsOfSeveral(b *Batch) (end func()) {
	return b.failWhen(func(rows int) error {
		if rows > 1 {
			return llama.ErrNoSlot
		}
		return nil
	})
}

func (b *Batch) failWhen(fault func(int) error) (end func()) {
	set := func(f func(int) error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.fault = f
	}
	set(fault)
	return func() { set(nil) }
}
