package residency

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
	"unsafe"

	"github.com/seed7adf6694/infer/internal/clock"
	"github.com/seed7adf6694/infer/internal/files"
	"github.com/seed7adf6694/infer/loader/internal/space"
	"github.com/seed7adf6694/infer/loader/memory"
)

// ExpertUse is the set of slots that a pass uses. The zero value is empty. It is not safe for
// concurrent use.
type ExpertUse struct {
	slots  []int32         // distinct
	chosen []int32         // distinct experts of the layer
	seen   map[int32]int32 // slot by expert
	mapped int             // layer that was read into the mapping, counted from 1; 0: none
	fill   *expertFill     // reads slots; nil: none
	err    error           // of the last fill
}

// expertFill is the reading of the experts that a pass has chosen and that were in no slot.
type expertFill struct {
	layer   int
	slots   []int32
	tensors []expertTensor // in the order in which they are read
	filled  int            // tensors that are in the slots
	flight  *flight        // has a group for each tensor
	begun   time.Duration
	bytes   uint64
}

// Use finds slots for the experts with these ids, begins to read those that are in none, and writes
// the slot of each id. The bytes of a tensor are there after [Experts.Await]; they stay until
// [Experts.Release]. Use returns false if there are not enough slots, or, with an error, if a read
// failed or ctx was cancelled; then no slot is in use.
func (e *Experts) Use(ctx context.Context, u *ExpertUse, layer int, ids, slots []int32) (bool, error) {
	e.Release(u)
	u.err = nil
	missing, ok := e.take(u, layer, ids)
	if !ok {
		return false, e.readMapped(ctx, u, layer)
	}
	begun := clock.Now()
	e.begin(ctx, u, layer, missing)
	err := e.awaitOthers(u, layer, u.slots[:len(u.slots)-len(missing)])
	if len(missing) > 0 {
		e.mu.Lock()
		e.stats.Stalled += clock.Since(begun)
		e.mu.Unlock()
	}
	if err != nil {
		e.Release(u)
		return false, err
	}
	first := int32(e.bankOf(layer) * e.each)
	for i, id := range ids {
		slots[i] = u.seen[id] - first
	}
	return true, nil
}

// awaitOthers waits for slots that other passes fill. They may wait for the reader meanwhile, so that
// this pass must not keep it.
func (e *Experts) awaitOthers(u *ExpertUse, layer int, slots []int32) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.anyFilling(slots) {
		e.mu.Unlock()
		e.Finish(u)
		e.mu.Lock()
		for u.err == nil && e.anyFilling(slots) {
			e.changed.Wait()
		}
	}
	if u.err == nil && slices.ContainsFunc(slots, func(i int32) bool { return e.slots[i].layer != layer }) {
		return fmt.Errorf("experts of layer %d could not be read", layer)
	}
	return u.err
}

// anyFilling reports whether a slot is being filled.
func (e *Experts) anyFilling(slots []int32) bool {
	return slices.ContainsFunc(slots, func(i int32) bool { return e.slots[i].filling })
}

// begin begins to read experts of a layer into slots, the tensor first that the graph uses first.
func (e *Experts) begin(ctx context.Context, u *ExpertUse, layer int, slots []int32) {
	if len(slots) == 0 {
		return
	}
	f := &expertFill{layer: layer, slots: slots, tensors: slices.Clone(e.layout.layers[layer])}
	e.mu.Lock()
	slices.SortStableFunc(f.tensors, func(a, b expertTensor) int { return cmp.Compare(uint(e.turns[a.kind]), uint(e.turns[b.kind])) })
	e.mu.Unlock()
	var list []request
	for group, t := range f.tensors {
		for _, i := range slots {
			expert := e.slots[i].expert // constant while the slot is being filled
			begin := t.begin(expert)
			from := begin - t.shift(expert)
			size := space.Pad(begin+t.size, files.DirectUnit) - from
			list = append(list, request{t.file, int64(from), size, e.slot(t, i), group})
			f.bytes += size
		}
	}
	e.reading.Lock()
	f.begun = clock.Now()
	f.flight = e.reader.begin(ctx, list)
	u.fill = f
}

// Await waits until the experts that the pass has chosen are in their slots, as far as this tensor is
// concerned. more reports whether other tensors are still being read. After an error no tensor that
// was not awaited before may be used.
func (e *Experts) Await(u *ExpertUse, tensor string) (more bool, err error) {
	f := u.fill
	if f == nil {
		return false, u.err
	}
	n := slices.IndexFunc(f.tensors, func(t expertTensor) bool { return t.name == tensor })
	if n < 0 {
		return true, nil
	}
	begun := clock.Now()
	e.advance(u, n)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stats.Stalled += clock.Since(begun)
	if kind := f.tensors[n].kind; e.turns[kind] < 0 {
		e.turns[kind] = 0
		for _, turn := range e.turns {
			e.turns[kind] = max(e.turns[kind], turn+1)
		}
	}
	return u.fill != nil, u.err
}

// Finish waits until nothing is being read for a pass.
func (e *Experts) Finish(u *ExpertUse) {
	if u.fill != nil {
		e.advance(u, len(u.fill.tensors)-1)
	}
}

// advance waits until the tensors up to number n have been read.
func (e *Experts) advance(u *ExpertUse, n int) {
	f := u.fill
	u.err = f.flight.wait(n)
	for ; u.err == nil && f.filled <= n; f.filled++ {
		t := f.tensors[f.filled]
		for _, i := range f.slots {
			if shift := t.shift(e.slots[i].expert); shift != t.inSlot() {
				b := space.BytesAt(e.slot(t, i), shift+t.size)
				copy(b, b[shift:])
			}
		}
	}
	if u.err == nil && f.filled < len(f.tensors) {
		return
	}
	took := clock.Since(f.begun)
	e.reading.Unlock()
	u.fill = nil
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, i := range f.slots {
		e.slots[i].filling = false
		if u.err != nil {
			e.forget(int(i))
		}
	}
	e.stats.Reading += took
	if u.err == nil {
		e.stats.Read += f.bytes
	}
	e.changed.Broadcast()
}

// slot returns the address of a slot for a tensor.
func (e *Experts) slot(t expertTensor, i int32) unsafe.Pointer {
	return space.At(e.banks[int(i)/e.each][t.kind], uint64(int(i)%e.each)*e.layout.kinds[t.kind].stride)
}

// readMapped reads the chosen experts into the mapping, if there are not enough slots. Otherwise the
// engine would read them by page faults, one page at a time.
func (e *Experts) readMapped(ctx context.Context, u *ExpertUse, layer int) error {
	if len(u.chosen) == 0 {
		return nil
	}
	u.mapped = layer + 1
	begun := clock.Now()
	for _, t := range e.layout.layers[layer] {
		if t.mapped.p == nil {
			continue
		}
		for _, expert := range u.chosen {
			begin := t.begin(int(expert))
			from := begin &^ (space.Granularity() - 1)
			p := space.At(t.mapped.p, int64(from)-t.mapped.offset)
			if err := memory.PrefetchExactly(ctx, e.index.File(t.file), p, int64(from), space.RoundUp(begin+t.size)-from); err != nil {
				return err
			}
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stats.Stalled += clock.Since(begun)
	return nil
}

// Release ends the use of a pass's slots. It waits for reads into them.
func (e *Experts) Release(u *ExpertUse) {
	e.Finish(u)
	e.mu.Lock()
	e.leave(u)
	e.mu.Unlock()
	if u.mapped > 0 {
		evictRanges(e.index, e.layout.mapped(u.mapped-1))
		u.mapped = 0
	}
}

// leave ends the use of slots that nothing is being read into.
func (e *Experts) leave(u *ExpertUse) {
	for _, i := range u.slots {
		e.slots[i].users--
	}
	u.slots = u.slots[:0]
}
