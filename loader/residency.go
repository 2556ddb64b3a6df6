package loader

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// layersAhead is how many layers are read before they are needed: while one is computed with, another
// is read, and one more keeps the disk busy where the two take different times.
const layersAhead = 2

// Residency keeps mapped weights within a budget while passes over the layers go on.
// Access to the weights is cyclic, which is what a system's own replacement is worst at:
// it evicts each page just before its next use. So the first layers stay, and what
// belongs to no layer; the others are streamed: read ahead of their use by a goroutine,
// and dropped after it from the mapping and from the page cache.
//
// Whoever computes calls Before and After each layer from the one that First names, in
// order, one pass at a time; other methods may be called from any goroutine. Of what a
// layer uses some rows of only (experts), nothing is read ahead.
type Residency struct {
	index  *Index
	layers []weightLayer
	head   weightLayer

	mu      sync.Mutex
	changed *sync.Cond
	first   int   // that is streamed; all before stay
	slots   int   // streamed layers in memory at once, the one in use included
	next    int   // that the computation wants
	load    int   // that is read next
	held    int   // streamed layers in memory, or being read
	ready   int   // of those, read and not used yet
	used    []int // layers to be dropped
	epoch   int   // of streaming in one order: what was begun in an older one is dropped
	closed  bool
	err     error
	stats   ResidencyStats
	idle    chan struct{} // closed when the goroutine has ended
}

// ResidencyStats are figures since the beginning. Sizes are bytes.
type ResidencyStats struct {
	Budget   uint64 // of weights
	Resident uint64 // weights that stay, and the most that is streamed at once
	Layers   int
	Streamed int           // layers that are streamed
	Passes   uint64        // over the streamed layers
	Read     uint64        // bytes streamed
	Reading  time.Duration // spent reading them
	Stalled  time.Duration // spent waiting for them
	Hits     uint64        // layers that were there in time
	Misses   uint64        // layers that were waited for
}

// NewResidency begins to keep mapped weights within budget bytes. The plan has to be of
// [PlanOptions].Layers. What stays is read now; a cancelled ctx ends that.
//
// The error is a [*MemoryError] where the budget is too small for what no pass can do
// without: the output head, and three layers.
func NewResidency(ctx context.Context, w *Weights, plan *Plan, budget uint64) (*Residency, error) {
	r := &Residency{index: plan.index, idle: make(chan struct{})}
	r.changed = sync.NewCond(&r.mu)
	r.layers, r.head = layersOf(w, plan)
	if len(r.layers) == 0 {
		return nil, fmt.Errorf("residency: the model has no layers that are used one after the other")
	}
	if err := r.divide(budget); err != nil {
		return nil, err
	}
	for _, l := range append([]weightLayer{r.head}, r.layers[:r.first]...) {
		if err := r.read(ctx, l); err != nil {
			return nil, err
		}
	}
	r.next, r.load = r.first, r.first
	go r.stream()
	return r, nil
}

// divide decides how many layers stay.
func (r *Residency) divide(budget uint64) error {
	largest, all := uint64(0), r.head.most
	for _, l := range r.layers {
		largest = max(largest, l.most)
		all += l.most
	}
	slots := layersAhead + 1
	least := r.head.most + uint64(slots)*largest
	if all > budget && budget < least {
		return &MemoryError{Purpose: PurposeWeights, Requested: least, Available: budget, Limit: "memory budget", Remedies: []string{"use a larger budget (--max-memory)", lessMemory}}
	}
	r.slots = slots
	r.first = len(r.layers)
	if all > budget {
		r.first = 0
		for kept := least; r.first < len(r.layers)-slots && kept+r.layers[r.first].most <= budget; r.first++ {
			kept += r.layers[r.first].most
		}
	}
	resident := r.head.most
	for _, l := range r.layers[:r.first] {
		resident += l.most
	}
	if r.first < len(r.layers) {
		resident += uint64(slots) * largest
	}
	r.stats.Budget, r.stats.Resident, r.stats.Layers, r.stats.Streamed = budget, resident, len(r.layers), len(r.layers)-r.first
	return nil
}

// First is the first layer that is streamed: Before and After are to be called from the
// one before it on, for what was computed up to there to be over while it is read.
func (r *Residency) First() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.first
}

// Before waits until a layer is in memory.
func (r *Residency) Before(layer int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if layer < r.first || r.closed || layer >= len(r.layers) {
		return
	}
	if layer != r.next { // a pass was given up, or the budget has changed
		r.restart(layer)
	}
	if r.ready > 0 {
		r.stats.Hits++
		return
	}
	r.stats.Misses++
	begun := time.Now()
	for r.ready == 0 && !r.closed && r.err == nil {
		r.changed.Wait()
	}
	r.stats.Stalled += time.Since(begun)
}

// After gives a layer's memory to one that is read ahead.
func (r *Residency) After(layer int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if layer < r.first || layer != r.next || r.ready == 0 || r.closed {
		return
	}
	r.ready--
	r.next = r.following(layer)
	if r.next == r.first {
		r.stats.Passes++
	}
	r.used = append(r.used, layer)
	r.changed.Broadcast()
}

// following is the streamed layer after another.
func (r *Residency) following(layer int) int {
	if layer+1 < len(r.layers) {
		return layer + 1
	}
	return r.first
}

// restart begins to stream from another layer.
func (r *Residency) restart(layer int) {
	r.epoch++
	for n := r.next; r.ready > 0; r.ready-- {
		r.drop(r.layers[n])
		n = r.following(n)
	}
	for _, n := range r.used {
		r.drop(r.layers[n])
	}
	r.used = r.used[:0]
	r.held, r.next, r.load = 0, layer, layer
	r.changed.Broadcast()
}

// stream drops layers that were used and reads others ahead, as long as there is room.
func (r *Residency) stream() {
	defer close(r.idle)
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		for !r.closed && len(r.used) == 0 && (r.held >= r.slots || r.first >= len(r.layers) || r.err != nil) {
			r.changed.Wait()
		}
		if r.closed {
			return
		}
		if len(r.used) > 0 { // room first
			l, epoch := r.layers[r.used[0]], r.epoch
			r.used = r.used[1:]
			r.mu.Unlock()
			r.drop(l)
			r.mu.Lock()
			if epoch == r.epoch {
				r.held--
			}
			continue
		}
		n, epoch := r.load, r.epoch
		r.load = r.following(n)
		r.held++
		l := r.layers[n]
		r.mu.Unlock()

		begun := time.Now()
		err := r.read(context.Background(), l)
		took := time.Since(begun)

		r.mu.Lock()
		if epoch != r.epoch {
			r.drop(l)
			continue
		}
		r.err = err
		r.ready++
		r.stats.Read += l.size
		r.stats.Reading += took
		r.changed.Broadcast()
	}
}

// read brings a layer into memory.
func (r *Residency) read(ctx context.Context, l weightLayer) error {
	for _, x := range l.whole {
		if err := prefetch(ctx, r.index.files[x.file].f, x.p, x.offset, x.size); err != nil {
			return err
		}
	}
	return nil
}

// drop takes a layer out of memory: from the mapping, and from the page cache unless
// somebody else maps it.
func (r *Residency) drop(l weightLayer) {
	for _, list := range [][]filePiece{l.whole, l.sparse} {
		for _, x := range list {
			evict(r.index.files[x.file].f, x.p, x.offset, x.size)
		}
	}
}

// SetBudget changes the budget, in bytes, between two layers of a pass or when there is
// none. What no longer stays is dropped; what may stay now is kept when it is used next.
// Errors are those of [NewResidency], and nothing has changed then.
func (r *Residency) SetBudget(budget uint64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.first
	if err := r.divide(budget); err != nil {
		return err
	}
	if r.first == before {
		return nil
	}
	for n := r.first; n < before; n++ {
		r.drop(r.layers[n])
	}
	r.restart(r.first)
	return nil
}

// Stats returns the figures.
func (r *Residency) Stats() ResidencyStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stats
}

// Close ends the reading ahead; nobody may compute any more. The weights stay mapped.
// Closing twice is safe.
func (r *Residency) Close() error {
	r.mu.Lock()
	r.closed = true
	r.changed.Broadcast()
	r.mu.Unlock()
	<-r.idle
	return nil
}
