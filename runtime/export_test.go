package runtime

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/seed7adf6694/infer/llama"
	"github.com/seed7adf6694/infer/loader/probe"
)

// SetIdle sets how long a model has to be idle before packing, and returns the previous value.
func SetIdle(d time.Duration) time.Duration {
	was := idleBefore
	idleBefore = d
	return was
}

// FixBase makes budgets count some bytes for the process itself, instead of what it has in memory.
func FixBase(bytes uint64) {
	processMemory = func() (probe.Process, error) { return probe.Process{Anon: bytes}, nil }
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

// FailFirst makes the next n evaluations of a batch fail, as if there were no memory.
func FailFirst(b *Batch, n int) {
	b.failWhen(func(int) error {
		if n--; n >= 0 {
			return llama.ErrNoMemory
		}
		return nil
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

// CountEvaluationsOfSeveral counts a batch's evaluations of more than one text from now on.
func CountEvaluationsOfSeveral(b *Batch) (count func() int) {
	n := 0
	b.failWhen(func(rows int) error {
		if rows > 1 {
			n++
		}
		return nil
	})
	return func() int {
		b.mu.Lock()
		defer b.mu.Unlock()
		return n
	}
}

func (b *Batch) failWhen(fault func(int) error) (end func()) {
	b.setFault(fault)
	return func() { b.setFault(nil) }
}

func (b *Batch) setFault(f func(int) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fault = f
}

// HoldEvaluations lets a batch end no evaluation until the returned function is called, so that requests
// that are made meanwhile are computed at the same time.
func HoldEvaluations(b *Batch) (release func()) {
	held := make(chan struct{})
	var was func(int) error
	hold := func(rows int) error {
		b.mu.Unlock() // requests are made meanwhile
		<-held
		b.mu.Lock()
		if was != nil {
			return was(rows)
		}
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	was, b.fault = b.fault, hold
	return sync.OnceFunc(func() {
		b.setFault(was)
		close(held)
	})
}
