package runtime

import (
	"context"
	"time"

	"github.com/seed7adf6694/infer/loader/memory"
	"github.com/seed7adf6694/infer/loader/probe"
	"github.com/seed7adf6694/infer/runtime/internal/idle"
)

// An automatic budget gives way to other programs. Mapped weights are page cache, which the system
// evicts; slots are private memory, for which it would end a process. So slots are offered to
// the system while the model rests, and whenever the kernel reports that it evicts pages: it takes as
// many as it needs, at once, and those that a pass uses are not among them. Before the next
// evaluation the budget is measured again, and becomes what is left.
//
// Slots are not offered after each use: to offer and to take back touches each page, and the system
// takes what is offered as readily as page cache that nobody needs.

// followPeriod is the shortest time between two measurements without a report of the kernel.
const followPeriod = time.Second

// restPeriod is the time between two measurements of a model at rest, on systems that take no
// slots.
const restPeriod = 5 * time.Second

// follow shrinks an automatic budget to the memory that there is, before an evaluation.
func (b *budget) follow(ctx context.Context) {
	if b == nil || !b.auto {
		return
	}
	if b.resting.CompareAndSwap(true, false) {
		select {
		case b.used <- struct{}{}:
		default: // a value is there already
		}
	}
	b.measure(ctx)
}

func (b *budget) measure(ctx context.Context) {
	if !b.following.TryLock() {
		return // another session measures
	}
	defer b.following.Unlock()
	if !b.urgent.Swap(false) && !b.residency.Lost() && time.Since(b.checked) < followPeriod {
		return
	}
	b.checked = time.Now()
	total, less, ok := b.left()
	if !ok {
		return
	}
	if !less && b.pressure.High() {
		total, less = total-total/16, true
	}
	if less {
		_ = b.change(ctx, func(b *budget) { b.total = min(b.total, total) }) // too small a budget is not applied
	}
	b.residency.Regain()
}

// left measures what the budget can be now, and whether that is clearly less than it is.
func (b *budget) left() (total uint64, less, ok bool) {
	p, err := probe.Measure()
	if err != nil {
		return 0, false, false
	}
	held, untouched := b.residency.Held(), memory.Unused()
	b.mu.Lock()
	defer b.mu.Unlock()
	own := b.anon + b.sessions.Total() + held
	total = min(b.total, automatic(p, own-min(own, untouched)))
	return total, total < b.total-b.total/64, true
}

// notice looks for a report of the kernel before a pass reads experts: its goroutine runs where that of
// giveWay may have to wait for a processor.
func (b *budget) notice() {
	b.pressure.Poll()
	select {
	case <-b.pressure.Short():
		b.reported()
	default:
	}
}

// reported offers slots if memory is short and not just page cache was evicted, as the kernel
// reports both. It returns false if slots can't be offered and the budget has to shrink at once.
func (b *budget) reported() bool {
	if b.resting.Load() || !b.reporting.TryLock() {
		return true
	}
	defer b.reporting.Unlock()
	begun := time.Now()
	if begun.Before(b.deaf) {
		return true
	}
	if _, less, _ := b.left(); !less {
		b.deaf = time.Now().Add(reportCost * time.Since(begun))
		return true
	}
	b.urgent.Store(true)
	return b.residency.Offer()
}

// reportCost bounds the time for reports of the kernel to this part of all time.
const reportCost = 10

// giveWay offers slots to the system until ctx ends.
func (b *budget) giveWay(ctx context.Context, calls *idle.Activity) {
	rest := time.NewTimer(idleBefore)
	defer rest.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.pressure.Short():
			if !b.reported() {
				b.measure(ctx)
			}
		case <-b.used:
			rest.Reset(idleBefore)
		case <-rest.C:
			if idle := calls.Idle(); idle < idleBefore {
				rest.Reset(idleBefore - idle)
				continue
			}
			if !b.residency.Offer() {
				b.measure(ctx)
				rest.Reset(restPeriod)
				continue
			}
			b.resting.Store(true)
			if calls.Idle() < idleBefore { // a call has begun meanwhile
				rest.Reset(idleBefore)
			}
		}
	}
}
